// Colours of a terminal: SGR sequences of ECMA-48 with the 256-colour
// extension of xterm. Without colour everything is plain text. Pure.
#pragma once

#include <string>
#include <string_view>

namespace lamina::cli {

class style {
 public:
  explicit style(bool colour) : colour_(colour) {}

  bool has_colour() const { return colour_; }
  std::string bold(std::string_view text) const { return wrap("1", text); }
  std::string dim(std::string_view text) const { return wrap("2", text); }
  std::string reverse(std::string_view text) const { return wrap("7", text); }
  std::string red(std::string_view text) const { return wrap("31", text); }
  std::string green(std::string_view text) const { return wrap("32", text); }

  /// A background that says how probable: from none over dark to light blue,
  /// with a foreground that stays readable on it.
  std::string shade(float probability, std::string_view text) const {
    if (probability < 0.02f) return dim(text);
    if (probability < 0.10f) return wrap("48;5;17;38;5;252", text);
    if (probability < 0.25f) return wrap("48;5;18;38;5;255", text);
    if (probability < 0.50f) return wrap("48;5;25;38;5;255", text);
    if (probability < 0.75f) return wrap("48;5;32;38;5;16", text);
    return wrap("48;5;117;38;5;16", text);
  }

 private:
  std::string wrap(std::string_view code, std::string_view text) const {
    if (!colour_) return std::string(text);
    std::string wrapped = "\x1b[";
    return wrapped.append(code).append("m").append(text).append("\x1b[0m");
  }

  bool colour_;
};

}  // namespace lamina::cli
