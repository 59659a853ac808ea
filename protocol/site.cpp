#include "protocol/site.hpp"

#include <array>
#include <utility>

namespace lamina {
namespace {

template <class Enum, std::size_t N>
using names = std::array<std::pair<Enum, std::string_view>, N>;

constexpr names<site, 3> site_names{{{site::embed, "embed"},
                                     {site::resid_post, "resid_post"},
                                     {site::final_norm, "final_norm"}}};
constexpr names<dtype, 3> dtype_names{{{dtype::float32, "float32"},
                                       {dtype::bfloat16, "bfloat16"},
                                       {dtype::float16, "float16"}}};
constexpr names<role, 3> role_names{{{role::user, "user"},
                                     {role::assistant, "assistant"},
                                     {role::system, "system"}}};
constexpr names<lens_mode, 3> lens_names{{{lens_mode::eager, "eager"},
                                          {lens_mode::deferred, "deferred"},
                                          {lens_mode::on_demand, "on_demand"}}};

template <class Enum, std::size_t N>
std::string_view name_of(const names<Enum, N>& table, Enum value) {
  for (const auto& [key, name] : table)
    if (key == value) return name;
  return "unknown";
}

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const names<Enum, N>& table,
                             std::string_view name) {
  for (const auto& [key, text] : table)
    if (text == name) return key;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(site s) {
  return name_of(site_names, s);
}
std::optional<site> site_from_string(std::string_view name) {
  return value_of(site_names, name);
}

std::string_view to_string(dtype t) {
  return name_of(dtype_names, t);
}
std::optional<dtype> dtype_from_string(std::string_view name) {
  return value_of(dtype_names, name);
}

std::string_view to_string(role r) {
  return name_of(role_names, r);
}

std::string_view to_string(lens_mode m) {
  return name_of(lens_names, m);
}
std::optional<lens_mode> lens_mode_from_string(std::string_view name) {
  return value_of(lens_names, name);
}

}  // namespace lamina
