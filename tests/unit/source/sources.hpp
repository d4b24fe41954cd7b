// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of sources share: a source in memory, and random reads of any source.
#ifndef NBDSTREAM_TESTS_UNIT_SOURCE_SOURCES_HPP
#define NBDSTREAM_TESTS_UNIT_SOURCE_SOURCES_HPP

#include "seekable/table_builder.hpp"
#include "source/frame_cache.hpp"
#include "source/source.hpp"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace nbdstream::source::test {

/// Bytes in memory, of which the reads are counted.
class in_memory final : public source {
 public:
  explicit in_memory(std::string bytes) : bytes_(std::move(bytes)) {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t size() const noexcept override { return bytes_.size(); }
  [[nodiscard]] failure read(std::uint64_t offset, std::span<std::byte> into) override {
    if (offset > bytes_.size() || into.size() > bytes_.size() - offset) {
      return {EIO, "a read beyond the end"};
    }
    read_ += into.size();
    std::memcpy(into.data(), bytes_.data() + offset, into.size());
    return {};
  }
  [[nodiscard]] failure look(std::uint64_t, std::uint64_t until, extent& found) override {
    found = {until, content::data};
    return {};
  }

  [[nodiscard]] std::string& bytes() noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t read_until_now() const noexcept { return read_; }

 private:
  std::string name_ = "memory";
  std::string bytes_;
  std::atomic<std::uint64_t> read_{0};
};

/// `disk` in frames of our size with checksums, as --compress makes them.
inline std::string seekable_file(const std::string& disk) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                     &ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  seekable::table_builder table;
  std::string file;
  for (std::size_t at = 0; at < disk.size(); at += seekable::frame_content) {
    const auto length = std::min<std::size_t>(disk.size() - at, seekable::frame_content);
    std::string frame(ZSTD_compressBound(length), '\0');
    frame.resize(
        ZSTD_compress2(context.get(), frame.data(), frame.size(), disk.data() + at, length));
    table.add(static_cast<std::uint32_t>(frame.size()));
    if (length < seekable::frame_content) table.last_is_short(static_cast<std::uint32_t>(length));
    file += frame;
  }
  std::byte piece[4096];
  while (const auto n = table.take(piece)) file.append(reinterpret_cast<char*>(piece), n);
  return file;
}

inline std::shared_ptr<frame_cache> a_cache() {
  return std::make_shared<frame_cache>(64, 256 << 20);
}

inline std::string read(source& from, std::uint64_t offset, std::size_t length) {
  std::string text(length, '?');
  const auto failed = from.read(offset, std::as_writable_bytes(std::span(text)));
  return failed ? "failed: " + failed.why : text;
}

/// Four threads read ranges at random, and look what is there: all is as `disk` has it.
inline void expect_disk(source& from, const std::string& disk) {
  ASSERT_EQ(from.size(), disk.size());
  std::atomic<int> wrong{0};
  const auto check = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t at = random() % disk.size();
      const std::size_t most = std::min<std::uint64_t>(disk.size() - at, 9 << 20);
      const std::size_t length =
          1 + random() % (i % 4 == 0 ? most : std::min<std::size_t>(most, 5000));
      if (read(from, at, length) != disk.substr(at, length)) ++wrong;
      source::extent found;
      if (from.look(at, at + length, found)) ++wrong;
      if (found.end <= at || found.end > at + length) ++wrong;
      const auto there = std::string_view(disk).substr(at, found.end - at);
      if (found.what != content::data && there.find_first_not_of('\0') != there.npos) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back(check, i);
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace nbdstream::source::test
#endif
