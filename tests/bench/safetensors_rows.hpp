// Saved activations as raw chunks, and the demo model's logit lens, for the
// codec's benchmark. Errors end the program: it is run by hand.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"

namespace lamina::bench {

/// A file of bfloat16 tensors.
class safetensors_file {
 public:
  explicit safetensors_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::uint64_t length = 0;
    in.read(reinterpret_cast<char*>(&length), sizeof length);
    std::string header(in ? length : 0, ' ');
    in.read(header.data(), static_cast<std::streamsize>(header.size()));
    if (!in) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      std::exit(1);
    }
    header_ = nlohmann::json::parse(header);
    body_.assign(std::istreambuf_iterator<char>(in), {});
  }

  bool has(const std::string& name) const { return header_.contains(name); }

  std::size_t size_of_axis(const std::string& name, std::size_t axis) const {
    return header_.at(name).at("shape").at(axis).get<std::size_t>();
  }

  std::span<const std::byte> tensor(const std::string& name) const {
    const auto& at = header_.at(name).at("data_offsets");
    const auto begin = at.at(0).get<std::size_t>();
    return std::as_bytes(
        std::span(body_).subspan(begin, at.at(1).get<std::size_t>() - begin));
  }

 private:
  nlohmann::json header_;
  std::vector<char> body_;
};

/// Whole chunks of the tensors resid_post.0, resid_post.1, ...
inline std::vector<raw_chunk_ptr> load_residuals(const std::string& path) {
  const safetensors_file file(path);
  capture_shape shape{0, 0, dtype::bfloat16};
  while (file.has("resid_post." + std::to_string(shape.layers)))
    ++shape.layers;
  shape.width =
      static_cast<std::uint32_t>(file.size_of_axis("resid_post.0", 1));
  std::vector<raw_chunk_ptr> chunks;
  for (std::size_t first = 0;
       first + chunk_positions <= file.size_of_axis("resid_post.0", 0);
       first += chunk_positions) {
    auto chunk = std::make_shared<raw_chunk>(shape, first);
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      std::memcpy(chunk->row(1 + layer, 0).data(),
                  file.tensor("resid_post." + std::to_string(layer)).data() +
                      first * shape.row_bytes(),
                  chunk_positions * shape.row_bytes());
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

/// Final norm and tied head of a llama: the ten likeliest tokens of a row.
class demo_lens {
 public:
  explicit demo_lens(const std::string& path) {
    const safetensors_file file(path);
    norm_ = widen_tensor(file, "model.norm.weight");
    head_ = widen_tensor(file, "model.embed_tokens.weight");
  }

  std::vector<std::uint32_t> top(std::span<const float> row) const {
    const std::size_t width = norm_.size();
    float square = 0;
    for (const float x : row)
      square += x * x;
    const float scale =
        1 / std::sqrt(square / static_cast<float>(width) + 1e-5f);
    std::vector<float> normed(width);
    for (std::size_t i = 0; i < width; ++i)
      normed[i] = row[i] * scale * norm_[i];
    std::vector<float> logits(head_.size() / width);
    for (std::size_t t = 0; t < logits.size(); ++t)
      logits[t] = std::inner_product(
          normed.begin(), normed.end(),
          head_.begin() + static_cast<long>(t * width), 0.0f);
    std::vector<std::uint32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0u);
    std::partial_sort(ids.begin(), ids.begin() + 10, ids.end(),
                      [&](std::uint32_t a, std::uint32_t b) {
                        return logits[a] > logits[b];
                      });
    ids.resize(10);
    return ids;
  }

 private:
  static std::vector<float> widen_tensor(const safetensors_file& file,
                                         const std::string& name) {
    const auto bytes = file.tensor(name);
    std::vector<float> out(bytes.size() / 2);
    widen_row(bytes, dtype::bfloat16, out);
    return out;
  }

  std::vector<float> norm_;
  std::vector<float> head_;  // [vocabulary][width]
};

}  // namespace lamina::bench
