// Checkpoints that lie, break off or hold what Lamina does not run: always a
// clear error, never a crash.
#include <random>
#include <sstream>

#include "actors/model/checkpoint/checkpoint.hpp"
#include "tests/unit/model/fixture.hpp"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

std::string safetensors(const std::string& header,
                        const std::string& data = "") {
  std::uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + data;
}

result<tensor_map> parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)));
}

void expect_refused(const std::string& file, const std::string& reason,
                    error_code code = error_code::corrupt) {
  const auto parsed = parse(file);
  ASSERT_FALSE(parsed) << "expected: " << reason;
  EXPECT_EQ(parsed.error().code, code);
  EXPECT_THAT(parsed.error().context, HasSubstr(reason));
}

std::string tensor(const std::string& name, const std::string& shape, int begin,
                   int end, const std::string& dtype = "F32") {
  std::ostringstream text;
  text << '"' << name << R"(":{"dtype":")" << dtype << R"(","shape":)" << shape
       << R"(,"data_offsets":[)" << begin << ',' << end << "]}";
  return text.str();
}

// A file whose header lists `tensors`.
std::string file_of(const std::vector<std::string>& tensors,
                    const std::string& data = "") {
  std::string header = "{";
  for (const auto& t : tensors) {
    if (header.size() > 1) header += ',';
    header += t;
  }
  header += '}';
  return safetensors(header, data);
}

TEST(Safetensors, ReadsTensorsInPlace) {
  const std::string file = file_of(
      {R"("__metadata__":{"a":"b"})", tensor("x", "[2]", 0, 8),
       tensor("y", "[1,3]", 8, 14, "BF16"), tensor("empty", "[0]", 14, 14)},
      std::string(14, 'd'));
  const auto parsed = parse(file);
  ASSERT_TRUE(parsed) << to_string(parsed.error());
  const auto& y = parsed.value().at("y");
  EXPECT_EQ(y.dtype, "BF16");
  EXPECT_THAT(y.shape, ::testing::ElementsAre(1, 3));
  EXPECT_EQ(y.bytes.size(), 6u);
  EXPECT_EQ(reinterpret_cast<const char*>(y.bytes.data()),
            file.data() + file.size() - 6);
  EXPECT_EQ(parsed.value().size(), 3u);
}

TEST(Safetensors, TruncationIsCorrupt) {
  const std::string whole =
      file_of({tensor("x", "[2]", 0, 8)}, std::string(8, 'd'));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto parsed = parse(whole.substr(0, size));
    ASSERT_FALSE(parsed) << size << " bytes";
    EXPECT_EQ(parsed.error().code, error_code::corrupt);
  }
  EXPECT_TRUE(parse(whole));
}

TEST(Safetensors, AbsurdHeaderLengthIsRefused) {
  std::string file = safetensors("{}");
  file[7] = '\x7f';
  expect_refused(file, "beyond the format's limit");
}

TEST(Safetensors, LyingOffsetsAreRefused) {
  const std::string data(8, 'd');
  expect_refused(file_of({tensor("x", "[2]", 0, 16)}, data),
                 "tensor 'x': data_offsets lie outside");
  expect_refused(file_of({tensor("x", "[2]", 8, 0)}, data),
                 "data_offsets lie outside");
  expect_refused(file_of({tensor("x", "[3]", 0, 8)}, data), "does not fill");
  expect_refused(file_of({tensor("x", "[-2]", 0, 8)}, data),
                 "something else than counts");
  expect_refused(file_of({tensor("x", "[4294967296,4294967296]", 0, 0)}),
                 "does not fill");
}

TEST(Safetensors, OverlapsAndHolesAreRefused) {
  const std::string x = tensor("x", "[2]", 0, 8);
  const std::string data(16, 'd');
  expect_refused(file_of({x, tensor("y", "[3]", 4, 16)}, data),
                 "tensor 'y' overlaps");
  expect_refused(file_of({x, tensor("y", "[1]", 12, 16)}, data),
                 "unused bytes before tensor 'y'");
  expect_refused(file_of({x}, data), "unused bytes after the last tensor");
}

TEST(Safetensors, RepeatedNameIsRefused) {
  const std::string x = tensor("x", "[2]", 0, 8);
  expect_refused(file_of({x, x}, std::string(8, 'd')),
                 "tensor 'x' appears twice");
}

TEST(Safetensors, DeepOrBrokenJsonIsRefused) {
  expect_refused(safetensors(R"({"x":)" + std::string(100'000, '[')),
                 "nests too deeply");
  expect_refused(safetensors("[]"), "not a JSON object");
  expect_refused(safetensors("{"), "not a JSON object");
  expect_refused(safetensors("{\"x\":7}"), "not an object");
}

TEST(Safetensors, UnknownDtypeIsUnsupported) {
  expect_refused(file_of({tensor("x", "[2]", 0, 8, "Q4")}, std::string(8, 'd')),
                 "unknown dtype 'Q4'", error_code::unsupported);
}

error load_error(const scratch_model& directory) {
  const auto loaded = model::load({"broken", directory.path(), {}});
  if (!loaded) return loaded.error();
  ADD_FAILURE() << "was loaded";
  return {};
}

TEST(Checkpoint, MissingFilesAreNotFound) {
  for (const char* file :
       {"config.json", "model.safetensors", "tokenizer.json"}) {
    const scratch_model directory;
    std::filesystem::remove(directory.path() / file);
    const error e = load_error(directory);
    EXPECT_EQ(e.code, error_code::not_found);
    EXPECT_THAT(e.context, HasSubstr(file));
  }
}

TEST(Checkpoint, ShapeThatConfigDoesNotDemandIsCorrupt) {
  const scratch_model directory;
  std::string config = directory.read("config.json");
  config.replace(config.find("\"intermediate_size\": 128"), 24,
                 "\"intermediate_size\": 256");
  directory.write("config.json", config);
  const error e = load_error(directory);
  EXPECT_EQ(e.code, error_code::corrupt);
  EXPECT_THAT(e.context, HasSubstr("mlp.gate_proj.weight' is [128, 64]"));
}

TEST(Checkpoint, TensorThatNobodyUsesIsUnsupported) {
  const scratch_model directory;
  std::string bytes = directory.read("model.safetensors");
  const std::string norm = "model.norm.weight";
  bytes.replace(bytes.find(norm), norm.size(), "model.norm.weighs");
  directory.write("model.safetensors", bytes);
  EXPECT_THAT(load_error(directory).context,
              HasSubstr("'model.norm.weight' is missing"));

  const scratch_model tied;
  std::string config = tied.read("config.json");
  config.replace(config.find("\"num_hidden_layers\": 2"), 22,
                 "\"num_hidden_layers\": 1");
  tied.write("config.json", config);
  const error e = load_error(tied);
  EXPECT_EQ(e.code, error_code::unsupported);
  EXPECT_THAT(e.context, HasSubstr("'model.layers.1."));
}

TEST(Checkpoint, TokenizerLargerThanTheVocabularyIsRefused) {
  const scratch_model directory;
  std::string config = directory.read("config.json");
  config.replace(config.find("\"vocab_size\": 512"), 17, "\"vocab_size\": 300");
  directory.write("config.json", config);
  EXPECT_THAT(load_error(directory).context, HasSubstr("vocab_size 300"));
}

TEST(Checkpoint, FileThatShrinksIsNoticed) {
  const scratch_model directory;
  const auto files = open_checkpoint(directory.path());
  ASSERT_TRUE(files);
  EXPECT_TRUE(files.value().check_unchanged());
  std::filesystem::resize_file(directory.path() / "model.safetensors", 1000);
  const auto now = files.value().check_unchanged();
  ASSERT_FALSE(now);
  EXPECT_THAT(now.error().context, HasSubstr("changed its size"));
}

TEST(Checkpoint, Float16ComputeIsUnsupported) {
  const auto loaded = model::load({"half", golden_directory(), dtype::float16});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, error_code::unsupported);
}

// Any bytes at all: a model or an error, never a crash (asan runs this too).
TEST(Checkpoint, MutatedHeadersGiveCleanResults) {
  const scratch_model directory;
  const std::string whole = directory.read("model.safetensors");
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), sizeof header);
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = whole;
    for (int i = 0; i <= round % 4; ++i)
      bytes[random() % (8 + header)] = static_cast<char>(random());
    if (round % 5 == 0) bytes.resize(random() % bytes.size());
    directory.write("model.safetensors", bytes);
    const auto loaded = model::load({"mutated", directory.path(), {}});
    if (loaded) continue;
    ++refused;
    EXPECT_FALSE(loaded.error().context.empty());
    EXPECT_NE(loaded.error().code, error_code::internal)
        << loaded.error().context;
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace lamina
