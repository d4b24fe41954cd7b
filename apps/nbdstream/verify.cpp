// SPDX-License-Identifier: BSD-3-Clause
#include "verify.hpp"

#include "config/text.hpp"
#include "io/error.hpp"
#include "io/unique_fd.hpp"
#include "receipt/parse.hpp"
#include "stage/hasher.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nbdstream {
namespace {

constexpr int same = 0;
constexpr int different = 1;
constexpr int trouble = 2;

constexpr std::string_view usage =
    "usage: nbdstream verify RECEIPT [FILE]\n"
    "Compares FILE, or standard input, with the stream that RECEIPT describes.\n"
    "Exit status: 0 the same, 1 different, 2 could not be checked. See nbdstream-verify(1).\n";

/// Of a stream of 64 TiB it has about 36 MB.
constexpr std::size_t largest_receipt = 256 << 20;  // bytes

constexpr std::size_t read_size = 1 << 20;  // bytes

/// Bytes that come one after the other; a failure is a config::error.
class reader {
 public:
  /// `name`: nothing for the standard input.
  explicit reader(const char* name)
      : opened_(name ? ::open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1),
        fd_(name ? opened_.get() : STDIN_FILENO),
        name_(name ? config::quote(name) : "the standard input") {
    if (fd_ < 0) fail();
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// The next ones; none at the end.
  [[nodiscard]] std::span<const std::byte> next() {
    for (;;) {
      const auto n = ::read(fd_, buffer_.data(), buffer_.size());
      if (n >= 0) return std::span(buffer_).first(static_cast<std::size_t>(n));
      if (errno != EINTR) fail();
    }
  }

 private:
  [[noreturn]] void fail() const {
    throw config::error(fmt::format("{} cannot be read: {}", name_, from_errno().message()));
  }

  io::unique_fd opened_;
  int fd_;
  std::string name_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(read_size);
};

receipt::expectation read_receipt(const char* path) {
  reader from(path);
  std::string text;
  for (auto piece = from.next(); !piece.empty(); piece = from.next()) {
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    if (text.size() > largest_receipt) throw config::error(from.name() + " is too large a receipt");
  }
  try {
    return receipt::parse(text);
  } catch (const receipt::error& e) {
    throw config::error(fmt::format("{}: {}", from.name(), e.what()));
  }
}

/// The first of the blocks from `first` on in which both differ. State: `expected` has no fewer.
std::optional<std::size_t> first_difference(
    const std::vector<stage::fingerprint::block_digest>& found,
    const std::vector<stage::fingerprint::block_digest>& expected, std::size_t first) {
  for (auto i = first; i < found.size(); ++i) {
    if (found[i] != expected[i]) return i;
  }
  return std::nullopt;
}

/// One stream against one receipt.
class comparison {
 public:
  comparison(const receipt::expectation& expected, reader& from, log::logger& log)
      : expected_(expected.print),
        compressed_(expected.compressed),
        hasher_(expected.algorithm),
        from_(from),
        log_(log) {}

  int run() {
    bool first = true;
    for (auto piece = from_.next(); !piece.empty(); piece = from_.next()) {
      if (std::exchange(first, false)) refuse_compressed(piece);
      const auto wanted = std::min<std::uint64_t>(piece.size(), expected_.length - compared_);
      hasher_.update(piece.first(wanted));
      compared_ += wanted;
      surplus_ += piece.size() - wanted;
      const auto& blocks = hasher_.blocks();
      const auto block = first_difference(blocks, expected_.blocks, compared_blocks_);
      if (block) return differs_in(*block);
      compared_blocks_ = blocks.size();
    }
    return conclude();
  }

 private:
  /// The receipt is about what was compressed.
  void refuse_compressed(std::span<const std::byte> beginning) const {
    constexpr std::array magic{std::byte{0x28}, std::byte{0xB5}, std::byte{0x2F}, std::byte{0xFD}};
    if (!compressed_ || beginning.size() < magic.size()) return;
    if (!std::ranges::equal(beginning.first(magic.size()), magic)) return;
    throw config::error(from_.name() +
                        " is compressed, and the receipt is of what is in it; use "
                        "zstd -dc FILE | nbdstream verify RECEIPT");
  }

  int differs_in(std::size_t block) {
    const auto begin = block * stage::fingerprint::block_size;
    const auto end = std::min(begin + stage::fingerprint::block_size, expected_.length);
    log_.error(
        "{} differs from the stream of the receipt, first in block {} (counted from 0), bytes {} "
        "to {}",
        from_.name(), block, begin, end - 1);
    return different;
  }

  /// State: all was read, and no complete block differs.
  int conclude() {
    const auto complete = hasher_.blocks().size();
    const auto found = hasher_.finish();
    if (compared_ < expected_.length) {
      log_.error(
          "{} is shorter than the stream of the receipt, by {} of {} bytes; its first {} blocks "
          "are the same",
          from_.name(), expected_.length - compared_, expected_.length, complete);
      return different;
    }
    const auto block = first_difference(found.blocks, expected_.blocks, compared_blocks_);
    if (block) return differs_in(*block);
    if (found.value != expected_.value) {
      log_.error("{} differs from the stream of the receipt, in no block that can be named",
                 from_.name());
      return different;
    }
    if (surplus_ > 0) {
      log_.error(
          "{} is longer than the stream of the receipt, by {} bytes; its first {} bytes are the "
          "same",
          from_.name(), surplus_, expected_.length);
      return different;
    }
    fmt::print("the stream is the one of the receipt: {} bytes, {} {}\n", found.length,
               found.algorithm, found.value);
    return same;
  }

  const stage::fingerprint& expected_;
  bool compressed_;
  stage::hasher hasher_;  ///< of no more than the receipt's bytes
  reader& from_;
  log::logger& log_;
  std::uint64_t compared_ = 0;       ///< bytes
  std::size_t compared_blocks_ = 0;  ///< of these, those that are the same
  std::uint64_t surplus_ = 0;
};

}  // namespace

int verify(std::span<char*> arguments, log::logger& log) {
  std::vector<const char*> names(arguments.begin() + 1, arguments.end());
  const auto is_help = [](std::string_view a) { return a == "-h" || a == "--help"; };
  if (std::ranges::any_of(names, is_help)) return fmt::print("{}", usage), same;
  const auto options_end = std::ranges::find(names, std::string_view("--"));
  const auto is_option = [](std::string_view a) { return a.size() > 1 && a.front() == '-'; };
  const auto option = std::find_if(names.begin(), options_end, is_option);
  if (option != options_end) {
    log.error("verify: unknown option {}; the only one is --help", config::quote(*option));
    return trouble;
  }
  if (options_end != names.end()) names.erase(options_end);
  if (names.empty() || names.size() > 2) {
    log.error("verify: name a receipt, and perhaps a file: nbdstream verify RECEIPT [FILE]");
    return trouble;
  }
  try {
    const auto expected = read_receipt(names[0]);
    reader from(names.size() > 1 ? names[1] : nullptr);
    return comparison(expected, from, log).run();
  } catch (const std::exception& e) {
    log.error("verify: {}", e.what());
    return trouble;
  }
}

}  // namespace nbdstream
