// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_SPILL_STORE_HPP
#define NBDSTREAM_SERVER_SPILL_STORE_HPP

#include "io/spill.hpp"
#include "sink/sink.hpp"

#include <functional>
#include <memory>
#include <string>

namespace nbdstream {

/// The spill file of one stream: made when something is to be held there first, and its space given
/// back as the stream goes on. A disk that hangs is waited for by nothing once abandon() was
/// called.
class spill_store {
 public:
  struct settings {
    std::string directory;  ///< for messages
    /// Makes the spill, which makes its file later; tests give another one.
    std::function<std::unique_ptr<io::spill>()> make;
  };

  spill_store(const asio::any_io_executor& executor, settings s)
      : settings_(std::move(s)), opening_(executor) {}

  /// Makes the file, unless it is there.
  [[nodiscard]] awaitable<sink::failure> open();
  [[nodiscard]] bool is_open() const noexcept { return open_; }

  /// As io::spill has it. State: is_open().
  [[nodiscard]] awaitable<error_code> write(std::span<const io::spill::piece> pieces,
                                            std::shared_ptr<const void> owner);
  [[nodiscard]] awaitable<error_code> read(std::uint64_t offset, std::span<std::byte> into,
                                           std::shared_ptr<void> owner);
  /// -1: there is none, read() instead.
  [[nodiscard]] int descriptor() const noexcept { return file_->descriptor(); }

  /// [begin, end), none of which was sent, is needed no more. Nothing where there is no file.
  [[nodiscard]] awaitable<void> discard(std::uint64_t begin, std::uint64_t end);
  /// The reader of the stream has taken all before `cursor`: gives it back, in large pieces.
  [[nodiscard]] awaitable<void> give_back_before(std::uint64_t cursor);

  /// Ends what is under way, and whatever comes: the stream has failed.
  void abandon();
  /// The stream is over: the file goes, and nothing waits for that.
  void close();

 private:
  settings settings_;
  /// Shared with calls under way, which may be the last to use it.
  std::shared_ptr<io::spill> file_;
  io::fair_mutex opening_;
  bool open_ = false;
  bool abandoned_ = false;
  std::uint64_t given_back_to_ = 0;  ///< nothing before this is needed any more
};

}  // namespace nbdstream
#endif
