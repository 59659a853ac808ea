// Tuned lenses: maps against plain sums in double, and files that are none.
#include "actors/model/tuned_lens.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "protocol/site.hpp"

namespace lamina {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint32_t layers = 2;
constexpr std::uint32_t width = 5;

struct stored_tensor {
  std::string dtype = "F32";
  std::vector<std::uint32_t> shape;
  std::vector<float> values;
};

using stored_tensors = std::map<std::string, stored_tensor>;

std::string bytes_of(const stored_tensor& tensor) {
  std::string bytes;
  for (const float value : tensor.values) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    if (tensor.dtype == "BF16") bits >>= 16;
    bytes.append(reinterpret_cast<const char*>(&bits),
                 tensor.dtype == "BF16" ? 2 : 4);
  }
  return bytes;
}

class TunedLens : public ::testing::Test {
 protected:
  TunedLens() {
    std::string pattern = testing::TempDir() + "lamina-lens-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    std::mt19937 random(3);
    // Sixteenths, which bfloat16 holds.
    const auto numbers = [&](std::size_t count) {
      std::vector<float> values(count);
      for (float& v : values)
        v = static_cast<float>(static_cast<int>(random() % 64) - 32) / 16;
      return values;
    };
    for (std::uint32_t i = 0; i < layers; ++i) {
      const auto name = std::to_string(i);
      tensors_[name + ".weight"] = {
          "F32", {width, width}, numbers(width * width)};
      tensors_[name + ".bias"] = {"F32", {width}, numbers(width)};
    }
  }
  ~TunedLens() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::string& prefix = "") const {
    std::string header = "{", data;
    for (const auto& [name, tensor] : tensors_) {
      std::string shape;
      for (const auto size : tensor.shape)
        shape += (shape.empty() ? "" : ",") + std::to_string(size);
      const auto begin = data.size();
      data += bytes_of(tensor);
      header += (header.size() > 1 ? ",\"" : "\"") + prefix + name +
                R"(":{"dtype":")" + tensor.dtype + R"(","shape":[)" + shape +
                R"(],"data_offsets":[)" + std::to_string(begin) + "," +
                std::to_string(data.size()) + "]}";
    }
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const std::uint64_t length = header.size();
    const auto path = directory_ / "lens.safetensors";
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof length);
    file << header << data;
    return path;
  }

  result<lens_maps_ptr> open(const std::string& prefix = "") const {
    return open_tuned_lens(write(prefix), layers, width);
  }

  void expect_refused(const std::string& tensor, const std::string& reason,
                      error_code code = error_code::corrupt) const {
    const auto opened = open();
    ASSERT_FALSE(opened) << reason;
    EXPECT_EQ(opened.error().code, code);
    EXPECT_THAT(opened.error().context,
                AllOf(HasSubstr("lens.safetensors"), HasSubstr(tensor),
                      HasSubstr(reason)));
  }

  void expect_maps(const lens_maps& maps) const {
    const std::vector<float> rows{1, -2, 0.5f, 3, 0.25f, 0, 1, 0, -1, 8};
    for (std::uint32_t slot = 0; slot <= layers; ++slot) {
      auto moved = rows;
      maps.apply(slot, moved, 2, 1);
      if (slot == layers) {
        EXPECT_EQ(moved, rows) << "the last layer has no map";
        continue;
      }
      const auto& weight = tensors_.at(std::to_string(slot) + ".weight").values;
      const auto bias = tensors_.find(std::to_string(slot) + ".bias");
      for (std::uint32_t r = 0; r < 2; ++r)
        for (std::uint32_t o = 0; o < width; ++o) {
          double sum = rows[r * width + o];
          if (bias != tensors_.end()) sum += bias->second.values[o];
          for (std::uint32_t c = 0; c < width; ++c)
            sum += static_cast<double>(weight[o * width + c]) *
                   rows[r * width + c];
          EXPECT_NEAR(moved[r * width + o], sum, 1e-5);
        }
    }
  }

  std::filesystem::path directory_;
  stored_tensors tensors_;
};

TEST_F(TunedLens, AddsTheMapOfEachSlotUnderEverySpelling) {
  for (const std::string prefix : {"", "layer_translators.", "translators."}) {
    const auto opened = open(prefix);
    ASSERT_TRUE(opened) << to_string(opened.error());
    expect_maps(*opened.value());
  }
}

TEST_F(TunedLens, NarrowWeightsAndMissingBiasesWork) {
  for (auto& [name, tensor] : tensors_)
    tensor.dtype = "BF16";
  expect_maps(*open().value());
  tensors_.erase("0.bias");
  tensors_.erase("1.bias");
  expect_maps(*open().value());
}

TEST_F(TunedLens, ZeroMapsChangeNothing) {
  for (auto& [name, tensor] : tensors_)
    std::fill(tensor.values.begin(), tensor.values.end(), 0.0f);
  const std::vector<float> rows{1.1f, -2.3f, 1e-20f, 3e20f, 0.7f};
  for (std::uint32_t slot = 0; slot <= layers; ++slot) {
    auto moved = rows;
    open().value()->apply(slot, moved, 1, 1);
    EXPECT_EQ(moved, rows);
  }
}

TEST_F(TunedLens, MissingTensorsAreNamed) {
  tensors_.erase("1.weight");
  expect_refused("'1.weight'", "is missing");
  tensors_["1.weight"] = {"F32", {width, width}, std::vector<float>(25)};
  tensors_.erase("1.bias");
  expect_refused("'1.bias'", "is missing");
  tensors_.clear();
  expect_refused("'0.weight'", "is missing");
}

TEST_F(TunedLens, OtherShapesAndTypesAreRefused) {
  tensors_["1.bias"] = {"F32", {width + 1}, std::vector<float>(width + 1)};
  expect_refused("'1.bias'", "[6]");
  tensors_["1.bias"] = {"I32", {width}, std::vector<float>(width)};
  expect_refused("'1.bias'", "I32", error_code::unsupported);
}

TEST_F(TunedLens, WhatIsNoPartOfItIsRefused) {
  tensors_["2.weight"] = {"F32", {width, width}, std::vector<float>(25)};
  expect_refused("'2.weight'", "no part of a tuned lens for 2 layers");
}

TEST_F(TunedLens, FilesThatAreNoneAreNamed) {
  const auto missing = open_tuned_lens(directory_ / "none", layers, width);
  EXPECT_EQ(missing.error().code, error_code::not_found);
  EXPECT_THAT(missing.error().context, HasSubstr("none"));
  const auto path = write();
  std::filesystem::resize_file(path, 100);
  const auto cut = open_tuned_lens(path, layers, width);
  EXPECT_EQ(cut.error().code, error_code::corrupt);
  EXPECT_THAT(cut.error().context, HasSubstr("lens.safetensors"));
}

}  // namespace
}  // namespace lamina
