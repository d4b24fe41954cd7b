// SPDX-License-Identifier: BSD-3-Clause
#include "encoding/diff_encoder.hpp"

#include "unit/server/scenarios.hpp"

namespace nbdstream::test {
namespace {

using encoding::diff_encoder;
using encoding::piece;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// An encoder whose sink is open; the calls of the sink that follow are counted.
class DiffEncoder : public ::testing::Test {
 protected:
  DiffEncoder() {
    sink::stream_info info;
    info.size = 1000;
    info.size_is_exact = true;
    run([&]() { return to_.open(info); });
    EXPECT_EQ(tape_.streams.back().info.size, std::nullopt)
        << "what is written again makes it longer";
    EXPECT_FALSE(tape_.streams.back().info.size_is_exact);
    tape_.calls.clear();
  }
  ~DiffEncoder() override {
    spawn(loop_, sink_.abort());
    run_dry(loop_);
  }

  template <class Call>
  void run(Call call) {
    bool done = false;
    spawn(
        loop_,
        [](Call c) -> awaitable<void> {
          const auto failed = co_await c();
          EXPECT_FALSE(failed) << failed.why;
        }(std::move(call)),
        &done);
    run_dry(loop_);
    EXPECT_TRUE(done);
  }
  void write(std::uint64_t offset, std::string_view data) {
    run([=, this]() { return to_.begin_data(offset, data.size()); });
    run([=, this]() { return to_.write(bytes(data)); });
  }
  void zeroes(std::uint64_t offset, std::uint64_t length) {
    run([=, this]() { return to_.write_zeroes(offset, length); });
  }
  void end() {
    run([this]() { return to_.finish(); });
    run([this]() { return to_.end(); });
  }
  [[nodiscard]] std::string sent() const { return tape_.data(); }
  [[nodiscard]] std::size_t calls() const { return tape_.calls.size(); }

  const diff::header header_{{}, "b", 1000};
  const std::string head_ = diff_header(header_);
  asio::io_context loop_{1};
  sink_tape tape_;
  fake_sink sink_{loop_.get_executor(), tape_};
  diff_encoder to_{header_, sink_};
};

TEST_F(DiffEncoder, HeaderRecordAndPayloadAreOneCall) {
  write(500, "abc");
  EXPECT_EQ(sent(), head_ + data_record(500, "abc"));
  EXPECT_EQ(calls(), 1u);
}

TEST_F(DiffEncoder, PiecesOfOnePayloadAreOneRecord) {
  run([this]() { return to_.begin_data(500, 6); });
  run([this]() { return to_.write(bytes("abc")); });
  run([this]() { return to_.write(bytes("def")); });
  EXPECT_EQ(sent(), head_ + data_record(500, "abcdef"));
}

TEST_F(DiffEncoder, WritesAnywhereAreOneCallAndThoseThatTouchOneRecord) {
  const std::array<piece, 4> pieces{piece{10, bytes("ab")}, piece{12, bytes("c")},
                                    piece{900, bytes("d")}, piece{5, bytes("e")}};
  run([&]() { return to_.write_pieces(pieces); });
  EXPECT_EQ(sent(), head_ + data_record(10, "abc") + data_record(900, "d") + data_record(5, "e"));
  EXPECT_EQ(calls(), 1u);
}

TEST_F(DiffEncoder, ZeroesThatTouchAreOneRecordAndGoWithTheNextPayload) {
  zeroes(100, 50);
  zeroes(150, 50);
  zeroes(80, 30);
  EXPECT_EQ(calls(), 0u);
  write(0, "x");
  EXPECT_EQ(sent(), head_ + zeroes_record(80, 120) + data_record(0, "x"));
  EXPECT_EQ(calls(), 1u);
}

TEST_F(DiffEncoder, ZeroesThatDoNotTouchAreTwoRecords) {
  zeroes(100, 50);
  zeroes(151, 50);
  zeroes(0, 99);
  end();
  EXPECT_EQ(sent(),
            head_ + zeroes_record(100, 50) + zeroes_record(151, 50) + zeroes_record(0, 99) + "e");
}

TEST_F(DiffEncoder, ZeroesStayBeforeTheDataThatReplaceThem) {
  zeroes(0, 100);
  write(10, "x");
  zeroes(100, 10);
  end();
  EXPECT_EQ(sent(),
            head_ + zeroes_record(0, 100) + data_record(10, "x") + zeroes_record(100, 10) + "e");
}

TEST_F(DiffEncoder, FlushSendsWhatWasKept) {
  zeroes(0, 100);
  run([this]() { return to_.flush(); });
  EXPECT_EQ(sent(), head_ + zeroes_record(0, 100));
  EXPECT_EQ(tape_.calls.back(), "flush");
}

TEST_F(DiffEncoder, ManyRecordsOfZeroesAreNotKept) {
  for (std::uint64_t i = 0; i < 20'000; ++i) zeroes(2 * i, 1);
  EXPECT_GT(sent().size(), 17 * 15'000u);
}

TEST_F(DiffEncoder, EndIsTheLastByteAndOneCallOfItsOwn) {
  write(0, "x");
  const auto before = calls();
  end();
  EXPECT_EQ(sent(), head_ + data_record(0, "x") + "e");
  EXPECT_EQ(calls(), before + 1);
  EXPECT_EQ(to_.length(), sent().size());
}

TEST_F(DiffEncoder, NothingWrittenIsAHeaderAndTheEnd) {
  end();
  EXPECT_EQ(sent(), head_ + "e");
}

}  // namespace
}  // namespace nbdstream::test
