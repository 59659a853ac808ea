#include "client/cli/vector_file.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace lamina::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class Number>
std::string raw(std::initializer_list<Number> numbers) {
  std::string bytes(numbers.size() * sizeof(Number), '\0');
  std::memcpy(bytes.data(), numbers.begin(), bytes.size());
  return bytes;
}

std::string npy(const std::string& descr, const std::string& shape,
                const std::string& values, char version = 1) {
  const auto dictionary = "{'descr': '" + descr +
                          "', 'fortran_order': False, 'shape': " + shape +
                          ", }\n";
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  const auto length = static_cast<std::uint32_t>(dictionary.size());
  file += raw<std::uint32_t>({length}).substr(0, version == 1 ? 2 : 4);
  return file + dictionary + values;
}

std::string safetensors(const std::string& header, const std::string& values) {
  return raw<std::uint64_t>({header.size()}) + header + values;
}

class VectorFile : public testing::Test {
 protected:
  ~VectorFile() override { std::filesystem::remove_all(directory_); }

  result<std::vector<float>> read(const std::string& name,
                                  const std::string& bytes,
                                  const std::string& tensor = "") {
    std::filesystem::create_directories(directory_);
    const auto path = (directory_ / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return read_vector(path, tensor);
  }
  std::string refusal(const std::string& name, const std::string& bytes,
                      const std::string& tensor = "") {
    const auto found = read(name, bytes, tensor);
    EXPECT_FALSE(found);
    if (found) return "";
    EXPECT_EQ(found.error().code, error_code::invalid_argument);
    return found.error().context;
  }

  std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / "lamina-vector-file-test";
};

TEST_F(VectorFile, ReadsNumpysFloatTypesAndVersions) {
  const auto floats = raw<float>({1.5f, -2});
  EXPECT_THAT(read("a.npy", npy("<f4", "(2,)", floats)).value(),
              ElementsAre(1.5f, -2));
  EXPECT_THAT(read("b.npy", npy("<f4", "(2,)", floats, 2)).value(),
              ElementsAre(1.5f, -2));
  EXPECT_THAT(read("c.npy", npy("<f8", "(1, 2)", raw({0.25, 4.0}))).value(),
              ElementsAre(0.25f, 4));
  EXPECT_THAT(
      read("d.npy", npy("<f2", "(2,)", raw<std::uint16_t>({0x3c00, 0xc000})))
          .value(),
      ElementsAre(1, -2));
}

TEST_F(VectorFile, ReadsTheOnlyTensorOrTheNamedOne) {
  const std::string one =
      R"({"__metadata__":{"a":"b"},"v":{"dtype":"BF16","shape":[2],)"
      R"("data_offsets":[0,4]}})";
  const auto halves = raw<std::uint16_t>({0x3f80, 0xc000});
  EXPECT_THAT(read("a.safetensors", safetensors(one, halves)).value(),
              ElementsAre(1, -2));
  const std::string two =
      R"({"u":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("v":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}})";
  const auto file = safetensors(two, raw<float>({3, 4}));
  EXPECT_THAT(read("b.safetensors", file, "v").value(), ElementsAre(4));
  EXPECT_THAT(refusal("b.safetensors", file), HasSubstr("it holds u, v"));
  EXPECT_THAT(refusal("b.safetensors", file, "w"), HasSubstr("no tensor 'w'"));
}

TEST_F(VectorFile, RefusesWhatIsNoVectorOfFloats) {
  const auto floats = raw<float>({1, 2, 3, 4});
  EXPECT_THAT(refusal("a.npy", npy("<f4", "(2, 2)", floats)),
              HasSubstr("[2, 2], not a vector"));
  EXPECT_THAT(refusal("a.npy", npy("<f4", "()", raw<float>({1}))),
              HasSubstr("not a vector"));
  EXPECT_THAT(refusal("a.npy", npy("<i4", "(4,)", floats)), HasSubstr("<i4"));
  EXPECT_THAT(refusal("a.npy", npy(">f4", "(4,)", floats)), HasSubstr(">f4"));
  EXPECT_THAT(refusal("a.npy", npy("<f4", "(0,)", "")),
              HasSubstr("0 elements"));
  EXPECT_THAT(refusal("a.npy", npy("<f4", "(999999999999999999999,)", "")),
              HasSubstr("shape"));
  EXPECT_THAT(refusal("a.txt", "1 2 3"), HasSubstr("must end in"));
}

TEST_F(VectorFile, RefusesEveryFileThatIsCutShort) {
  const auto numpy = npy("<f4", "(4,)", raw<float>({1, 2, 3, 4}));
  const auto tensors =
      safetensors(R"({"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                  raw<float>({3, 4}));
  ASSERT_TRUE(read("a.npy", numpy));
  ASSERT_TRUE(read("a.safetensors", tensors));
  for (std::size_t size = 0; size < numpy.size(); ++size)
    EXPECT_FALSE(read("a.npy", numpy.substr(0, size))) << size;
  for (std::size_t size = 0; size < tensors.size(); ++size)
    EXPECT_FALSE(read("a.safetensors", tensors.substr(0, size))) << size;
}

// The JSON library would bend each into a whole number.
TEST_F(VectorFile, RefusesShapesAndPlacesThatAreNoWholeNumbers) {
  const auto floats = raw<float>({3, 4});
  for (const char* odd : {"1e39", "2.0", "-2", "true", "null"}) {
    const auto number = std::string(odd);
    EXPECT_THAT(refusal("a.safetensors",
                        safetensors(R"({"v":{"dtype":"F32","shape":[)" +
                                        number + R"(],"data_offsets":[0,8]}})",
                                    floats)),
                HasSubstr("whole number"))
        << odd;
    EXPECT_THAT(refusal("a.safetensors",
                        safetensors(R"({"v":{"dtype":"F32","shape":[2],)"
                                    R"("data_offsets":[0,)" +
                                        number + "]}}",
                                    floats)),
                HasSubstr("whole number"))
        << odd;
  }
}

TEST_F(VectorFile, AFileThatIsNotThereIsAnInputError) {
  const auto found = read_vector("/nowhere/v.npy", "");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, error_code::io_error);
}

}  // namespace
}  // namespace lamina::cli
