#include "client/cli/tensor_files.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "protocol/little_endian.hpp"
#include "tests/unit/client/answers.hpp"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> halves(std::initializer_list<std::uint16_t> values) {
  std::vector<std::byte> bytes(values.size() * 2);
  std::byte* at = bytes.data();
  for (const auto value : values) {
    store_little(at, value);
    at += 2;
  }
  return bytes;
}

// [slot][position][width]: 1 to 8 in bfloat16.
activation_array small_array() {
  return answers::activations(
      dtype::bfloat16,
      halves({0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0, 0x4100}));
}

class TensorFiles : public testing::Test {
 protected:
  TensorFiles() {
    std::string name = fs::temp_directory_path() / "lamina_test_XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~TensorFiles() override { fs::remove_all(directory_); }

  std::string path(const std::string& name) const {
    return (directory_ / name).string();
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream whole;
    whole << file.rdbuf();
    return whole.str();
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory_), {}));
  }

  fs::path directory_;
};

TEST_F(TensorFiles, SafetensorsHoldsOneTensorASlotInTheModelsType) {
  const auto array = small_array();
  ASSERT_TRUE(write_activations(path("x.safetensors"), array, "demo"));
  const auto bytes = read(path("x.safetensors"));
  const auto length = load_little<std::uint64_t>(
      reinterpret_cast<const std::byte*>(bytes.data()));
  EXPECT_EQ(length % 8, 0u);
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  EXPECT_EQ(header.at("__metadata__").at("conversation"), "0000000000001");
  EXPECT_EQ(header.at("__metadata__").at("positions"), "2:4");
  EXPECT_EQ(header.at("__metadata__").at("model"), "demo");
  const auto& embed = header.at("embed");
  EXPECT_EQ(embed.at("dtype"), "BF16");
  EXPECT_EQ(embed.at("shape"), nlohmann::json({2, 2}));
  EXPECT_EQ(embed.at("data_offsets"), nlohmann::json({0, 8}));
  EXPECT_EQ(header.at("resid_post.5").at("data_offsets"),
            nlohmann::json({8, 16}));
  ASSERT_EQ(bytes.size(), 8 + length + 16);
  EXPECT_EQ(std::memcmp(bytes.data() + 8 + length, array.values.data(), 16), 0);
}

TEST_F(TensorFiles, NpyIsOneFloat32Array) {
  ASSERT_TRUE(write_activations(path("x.npy"), small_array(), "demo"));
  const auto bytes = read(path("x.npy"));
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(bytes.substr(8, 2), std::string("\x76\x00", 2));
  EXPECT_EQ(bytes.substr(10, 69),
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2), }  "
            "     ");
  EXPECT_EQ(bytes[127], '\n');
  ASSERT_EQ(bytes.size(), 128u + 8 * 4);
  for (int i = 0; i < 8; ++i) {
    float value = 0;
    std::memcpy(&value, bytes.data() + 128 + i * 4, 4);
    EXPECT_EQ(value, static_cast<float>(i + 1));
  }
}

TEST_F(TensorFiles, AnOldFileIsReplacedAndNothingElseIsLeft) {
  std::ofstream(path("x.npy")) << "old";
  ASSERT_TRUE(write_activations(path("x.npy"), small_array(), "demo"));
  EXPECT_EQ(fs::file_size(path("x.npy")), 160u);
  EXPECT_EQ(files(), 1u);
}

TEST_F(TensorFiles, UnwritableDirectoryIsAnErrorThatNamesTheFile) {
  const auto written =
      write_activations(path("missing/x.npy"), small_array(), "demo");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, error_code::io_error);
  EXPECT_NE(written.error().context.find("missing/x.npy"), std::string::npos);
}

TEST_F(TensorFiles, FailedRenameLeavesNoTemporaryFile) {
  fs::create_directories(path("x.npy/inside"));
  EXPECT_FALSE(write_activations(path("x.npy"), small_array(), "demo"));
  EXPECT_EQ(files(), 1u);
}

TEST_F(TensorFiles, OtherNamesAreRefusedBeforeAnythingIsWritten) {
  EXPECT_EQ(write_activations(path("x.bin"), small_array(), "").error().code,
            error_code::invalid_argument);
  EXPECT_EQ(files(), 0u);
}

TEST(ToFloat32, HalfPrecisionIsExact) {
  const auto floats =
      to_float32(halves({0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000,
                         0x7bff, 0x7c00, 0xfc00, 0x7e00}),
                 dtype::float16);
  EXPECT_EQ(floats[0], 0.0f);
  EXPECT_TRUE(std::signbit(floats[1]));
  EXPECT_EQ(floats[2], 0x1p-24f);             // the smallest subnormal
  EXPECT_EQ(floats[3], 0x1p-14f - 0x1p-24f);  // the largest
  EXPECT_EQ(floats[4], 0x1p-14f);             // the smallest normal
  EXPECT_EQ(floats[5], 1.0f);
  EXPECT_EQ(floats[6], -2.0f);
  EXPECT_EQ(floats[7], 65504.0f);
  EXPECT_EQ(floats[8], std::numeric_limits<float>::infinity());
  EXPECT_EQ(floats[9], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(floats[10]));
}

TEST(ToFloat32, Float32StaysAsItIs) {
  std::vector<std::byte> bytes(4);
  store_little<std::uint32_t>(bytes.data(), 0x40490fdb);
  EXPECT_EQ(to_float32(bytes, dtype::float32), std::vector<float>{3.14159274f});
}

}  // namespace
}  // namespace lamina::cli
