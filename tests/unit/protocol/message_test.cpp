#include "protocol/message.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "protocol/limits.hpp"
#include "protocol/site.hpp"
#include "tests/unit/protocol/samples.hpp"

namespace lamina {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

std::span<const std::byte> bytes_of(const FlatBufferBuilder& builder) {
  return std::as_bytes(
      std::span(builder.GetBufferPointer(), builder.GetSize()));
}

template <class Table>
void finish(FlatBufferBuilder& builder, wire::Body type, Offset<Table> body) {
  builder.Finish(wire::CreateMessage(builder, type, body.Union()),
                 wire::MessageIdentifier());
}

error_code code_of(std::span<const std::byte> control) {
  const auto decoded = decode_control(control);
  EXPECT_FALSE(decoded);
  return decoded ? error_code{} : decoded.error().code;
}

TEST(Samples, CoverEveryTypeOfTheUnion) {
  const auto all = samples::every_message();
  ASSERT_EQ(all.size(), static_cast<std::size_t>(wire::Body::MAX));
  for (std::size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(static_cast<std::size_t>(all[i].type), i + 1);
}

TEST(DecodeControl, EveryTypeComesFromExactlyOneSide) {
  for (const auto& body : samples::every_message()) {
    const auto bytes = encode_control(body).value();
    const auto control = std::as_bytes(std::span(bytes.data(), bytes.size()));
    const bool request = may_send(sender::client, body.type);
    EXPECT_NE(request, may_send(sender::daemon, body.type));
    EXPECT_EQ(decode_request(control).has_value(), request)
        << name_of(body.type);
    EXPECT_EQ(decode_response(control).has_value(), !request)
        << name_of(body.type);
  }
}

TEST(DecodeControl, MissingFieldsTakeTheirDefaults) {
  FlatBufferBuilder builder;
  finish(builder, wire::Body::Generate,
         wire::GenerateBuilder(builder).Finish());
  const auto body = decode_request(bytes_of(builder)).value();
  const auto* generate = body.AsGenerate();
  ASSERT_NE(generate, nullptr);
  EXPECT_EQ(generate->model, "");
  EXPECT_TRUE(generate->prompt.empty());
  EXPECT_TRUE(generate->stop.empty());
  EXPECT_EQ(generate->max_new_tokens, 128u);
  EXPECT_EQ(generate->top_p, 1.0f);
  EXPECT_EQ(generate->lens, static_cast<std::uint8_t>(lens_mode::deferred));
}

TEST(DecodeControl, UnalignedBytesAreMovedFirst) {
  const auto bytes =
      encode_control(samples::every_message()[3]).value();  // Generate
  std::vector<std::byte> shifted(bytes.size() + 8);
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::memcpy(shifted.data() + shift, bytes.data(), bytes.size());
    const auto body =
        decode_control(std::span(shifted).subspan(shift, bytes.size()));
    ASSERT_TRUE(body);
    EXPECT_EQ(samples::packed(body.value()),
              samples::packed(samples::every_message()[3]));
  }
}

TEST(DecodeControl, TrailingZerosAreNoMistake) {
  const auto bytes = encode_control(make_body(wire::PingT{})).value();
  std::vector<std::byte> padded(bytes.size() + 4);
  std::memcpy(padded.data(), bytes.data(), bytes.size());
  EXPECT_TRUE(decode_request(padded));
}

// FlatBuffers' verifier lets both pass.
TEST(DecodeControl, RefusesNoneAndUnknownTypes) {
  for (const int tag : {0, static_cast<int>(wire::Body::MAX) + 1, 255}) {
    FlatBufferBuilder builder;
    finish(builder, static_cast<wire::Body>(tag),
           wire::PingBuilder(builder).Finish());
    flatbuffers::Verifier verifier(builder.GetBufferPointer(),
                                   builder.GetSize());
    EXPECT_TRUE(wire::VerifyMessageBuffer(verifier)) << "tag " << tag;
    EXPECT_EQ(code_of(bytes_of(builder)), error_code::malformed_frame);
  }
}

TEST(DecodeControl, RefusesAMessageWithoutBody) {
  FlatBufferBuilder builder;
  const auto start = builder.StartTable();
  builder.AddElement<std::uint8_t>(wire::Message::VT_BODY_TYPE,
                                   static_cast<std::uint8_t>(wire::Body::Ping),
                                   0);
  builder.Finish(Offset<wire::Message>(builder.EndTable(start)),
                 wire::MessageIdentifier());
  EXPECT_EQ(code_of(bytes_of(builder)), error_code::malformed_frame);
}

TEST(DecodeControl, RefusesOtherFileIdentifiersAndTinyBuffers) {
  FlatBufferBuilder builder;
  builder.Finish(
      wire::CreateMessage(builder, wire::Body::Ping,
                          wire::PingBuilder(builder).Finish().Union()),
      "LAM2");
  EXPECT_EQ(code_of(bytes_of(builder)), error_code::malformed_frame);
  for (std::size_t size = 0; size < 12; ++size)
    EXPECT_EQ(code_of(std::vector<std::byte>(size)),
              error_code::malformed_frame);
}

TEST(DecodeControl, RefusesMoreThanAControlMessageMayHold) {
  EXPECT_EQ(code_of(std::vector<std::byte>(limits::control_bytes_max + 1)),
            error_code::limit_exceeded);
}

// 800 KB that would unpack to 100 GB: one string, referred to 200,000 times.
TEST(DecodeControl, RefusesOneStringReferredToManyTimes) {
  FlatBufferBuilder builder;
  const auto text = builder.CreateString(std::string(500'000, 'x'));
  const std::vector<Offset<flatbuffers::String>> texts(200'000, text);
  const auto vector = builder.CreateVector(texts);
  wire::LensLayerBuilder layer(builder);
  layer.add_texts(vector);
  const std::vector<Offset<wire::LensLayer>> layers{layer.Finish()};
  const auto layer_vector = builder.CreateVector(layers);
  wire::LensPositionBuilder position(builder);
  position.add_layers(layer_vector);
  const std::vector<Offset<wire::LensPosition>> positions{position.Finish()};
  const auto position_vector = builder.CreateVector(positions);
  wire::LensResultBuilder result(builder);
  result.add_positions(position_vector);
  finish(builder, wire::Body::LensResult, result.Finish());
  EXPECT_EQ(code_of(bytes_of(builder)), error_code::limit_exceeded);
}

TEST(DecodeControl, RefusesOneTableReferredToManyTimes) {
  FlatBufferBuilder builder;
  const auto name = builder.CreateString(std::string(1'000, 'x'));
  wire::ModelInfoBuilder model(builder);
  model.add_name(name);
  const std::vector<Offset<wire::ModelInfo>> models(100'000, model.Finish());
  finish(builder, wire::Body::Models,
         wire::CreateModels(builder, builder.CreateVector(models)));
  EXPECT_EQ(code_of(bytes_of(builder)), error_code::limit_exceeded);
}

TEST(DecodeControl, RefusesTooManyTables) {
  FlatBufferBuilder builder;
  const auto token = wire::TokenBuilder(builder).Finish();
  const std::vector<Offset<wire::Token>> tokens(limits::message_tables_max + 1,
                                                token);
  finish(builder, wire::Body::Tokens,
         wire::CreateTokens(builder, builder.CreateVector(tokens)));
  EXPECT_EQ(code_of(bytes_of(builder)), error_code::malformed_frame);
}

TEST(DecodeControl, RefusesStopStringsBeyondTheirLimits) {
  wire::GenerateT generate;
  generate.stop.assign(limits::stop_strings_max,
                       std::string(limits::stop_bytes_max, 's'));
  const auto decode = [](const wire::GenerateT& request) {
    const auto bytes = encode_control(make_body(wire::GenerateT(request)));
    return decode_request(
        std::as_bytes(std::span(bytes.value().data(), bytes.value().size())));
  };
  EXPECT_TRUE(decode(generate));
  generate.stop.back() += "s";
  EXPECT_EQ(decode(generate).error().code, error_code::limit_exceeded);
  generate.stop.assign(limits::stop_strings_max + 1, "s");
  EXPECT_EQ(decode(generate).error().code, error_code::limit_exceeded);
}

TEST(DecodeControl, RefusesSearchesBeyondTheirLimits) {
  wire::SearchT search;
  search.text.assign(limits::search_text_bytes_max, 'x');
  search.conversations.assign(limits::search_conversations_max,
                              "0000000000001");
  const auto decode = [](const wire::SearchT& request) {
    const auto bytes = encode_control(make_body(wire::SearchT(request)));
    return decode_request(
        std::as_bytes(std::span(bytes.value().data(), bytes.value().size())));
  };
  EXPECT_TRUE(decode(search));
  search.text.push_back('x');
  EXPECT_EQ(decode(search).error().code, error_code::limit_exceeded);
  search.text.pop_back();
  search.conversations.push_back("0000000000001");
  EXPECT_EQ(decode(search).error().code, error_code::limit_exceeded);
}

TEST(DecodeControl, RefusesToTrackBeyondTheLimits) {
  wire::ReadLensT lens;
  lens.track.assign(limits::lens_tracked_max - 1, 7);
  lens.track_texts = {std::string(limits::lens_tracked_bytes_max, 'x')};
  const auto decode = [](const wire::ReadLensT& request) {
    const auto bytes = encode_control(make_body(wire::ReadLensT(request)));
    return decode_request(
        std::as_bytes(std::span(bytes.value().data(), bytes.value().size())));
  };
  EXPECT_TRUE(decode(lens));
  lens.track_texts[0].push_back('x');
  EXPECT_EQ(decode(lens).error().code, error_code::limit_exceeded);
  lens.track_texts = {"x", "y"};
  EXPECT_EQ(decode(lens).error().code, error_code::limit_exceeded);
}

// The largest conversation that fits a control message must pass the limits
// on tables and unpacked size.
TEST(DecodeControl, AcceptsEveryMessageThatFitsItsBytes) {
  wire::ConversationT conversation;
  for (std::uint32_t i = 0; i < 80'000; ++i) {
    auto token = std::make_unique<wire::TokenT>();
    token->position = i + 1;
    token->id = 2000;
    token->bytes = {' ', 't', 'h', 'e'};
    token->role = 1;
    conversation.tokens.push_back(std::move(token));
  }
  const auto bytes = encode_control(make_body(std::move(conversation)));
  ASSERT_TRUE(bytes);
  EXPECT_GT(bytes.value().size(), limits::control_bytes_max / 2);
  EXPECT_TRUE(decode_response(
      std::as_bytes(std::span(bytes.value().data(), bytes.value().size()))));
}

TEST(ErrorBody, KeepsCodeAndSentence) {
  const error e{error_code::conversation_busy, "turn 3 is being written"};
  const auto body = error_body(e);
  ASSERT_NE(body.AsError(), nullptr);
  EXPECT_EQ(body.AsError()->name, "conversation_busy");
  EXPECT_EQ(error_of(*body.AsError()), e);
}

TEST(ErrorBody, OverloadedSaysWhenToTryAgain) {
  const auto plain = error_body({error_code::overloaded, "full"});
  EXPECT_EQ(plain.AsError()->retry_after_ms, limits::retry_after_ms);
  const auto known = error_body({error_code::overloaded, "full", 7'000});
  EXPECT_EQ(error_of(*known.AsError()).retry_after_ms, 7'000u);
  const auto other = error_body({error_code::not_found, "gone"});
  EXPECT_EQ(other.AsError()->retry_after_ms, 0u);
}

TEST(ErrorBody, CutsLongSentencesBetweenCharacters) {
  std::string sentence = "x";
  while (sentence.size() <= limits::error_bytes_max)
    sentence += "ü";
  const auto body = error_body({error_code::internal, sentence});
  const auto& kept = body.AsError()->message;
  EXPECT_EQ(kept.size(), limits::error_bytes_max - 1);
  EXPECT_EQ(kept, sentence.substr(0, kept.size()));
}

TEST(ErrorOf, UnknownCodesStayWhatTheyAre) {
  wire::ErrorT newer;
  newer.code = 999;
  EXPECT_EQ(static_cast<int>(error_of(newer).code), 999);
  EXPECT_EQ(to_string(error_of(newer).code), "unknown");
}

}  // namespace
}  // namespace lamina
