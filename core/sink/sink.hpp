// SPDX-License-Identifier: BSD-3-Clause
//
// A sink as the server sees it, whatever is behind it.
#ifndef NBDSTREAM_SINK_SINK_HPP
#define NBDSTREAM_SINK_SINK_HPP

#include "io/splice_result.hpp"
#include "stage/fingerprint.hpp"

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace nbdstream::io {
class condition;
}

namespace nbdstream::sink {

/// What a sink is told about a stream when it begins.
struct stream_info {
  std::uint64_t id = 1;               ///< 1 for the first stream of its export, then 2, ...
  std::optional<std::uint64_t> size;  ///< bytes, where known: the most that commit() names,
  bool size_is_exact = false;         ///< or no more and no less
  std::string export_name;
  std::string unique_id;  ///< 32 hexadecimal digits
  std::chrono::system_clock::time_point began;
};

/// The outcome of an operation: success, or an error and a sentence for the log.
struct failure {
  error_code code;
  std::string why;
  explicit operator bool() const noexcept { return static_cast<bool>(code); }
};

/// What a sink says of a stream that it has committed: "inode" is "1234".
struct fact {
  static constexpr std::size_t longest_key = 64;      // bytes
  static constexpr std::size_t longest_value = 4096;  // bytes

  std::string key;
  std::string value;
};

/// The life of a sink: open, then writes, then commit or abort; again and again. One operation at
/// a time, but for cancel(), and abort(), which ends what is under way itself.
class sink {
 public:
  virtual ~sink() = default;

  /// Begins a stream; waits until the other side is there. After a failure: abort().
  [[nodiscard]] virtual awaitable<failure> open(const stream_info& stream) = 0;

  /// Appends all of `data`. State: open. After a failure the stream is torn: abort().
  [[nodiscard]] virtual awaitable<failure> write(std::span<const std::byte> data) = 0;
  /// Appends several pieces, none of them empty. As write(). Spoils `parts`, which must stay until
  /// it returns.
  [[nodiscard]] virtual awaitable<failure> write_parts(std::span<iovec> parts);
  /// Appends `count` zero bytes. As write().
  [[nodiscard]] virtual awaitable<failure> write_zeroes(std::uint64_t count) = 0;
  /// Appends `count` bytes of the regular file `from` at `offset`. As write(). The sink may hand on
  /// references to the file's pages: see in_transit().
  [[nodiscard]] virtual awaitable<failure> write_file(int from, std::uint64_t offset,
                                                      std::uint64_t count) = 0;
  /// Whether splice() may work.
  [[nodiscard]] virtual bool splices() const noexcept = 0;
  /// Whether what splice() has moved from the socket is known only when it returns.
  [[nodiscard]] virtual bool splices_unseen() const noexcept { return false; }
  /// How many bytes the splice() that is under way has taken from the socket without having
  /// returned, where that is seen.
  [[nodiscard]] virtual std::uint64_t moving() const noexcept { return 0; }
  /// Appends up to `count` (1 or more) bytes that `socket` has received, by reference. As write(),
  /// but it does not wait for the socket.
  [[nodiscard]] virtual awaitable<io::splice_result> splice(int socket, std::uint64_t count) = 0;

  /// How many of the last bytes that were written may still be referenced, not copied: of these,
  /// the file must not change. UINT64_MAX: nobody knows. After commit or abort began this is no
  /// longer told in detail: close the file as a whole, which changes no page.
  [[nodiscard]] virtual std::uint64_t in_transit() const noexcept = 0;
  /// Until the reader has taken all that was written, where that can be seen: what it has not taken
  /// an abort can still keep from it. As write().
  [[nodiscard]] virtual awaitable<failure> wait_until_taken() { co_return failure{}; }
  /// Makes what was written durable, as far as the sink can. State: open.
  [[nodiscard]] virtual awaitable<failure> flush() = 0;

  /// Nothing follows but `last`, by write(), and a commit: waits until the fingerprint of the
  /// stream with `last` is known. It leaves `print` empty where nobody has asked for one. As
  /// write().
  [[nodiscard]] virtual awaitable<failure> seal(std::span<const std::byte> last,
                                                std::optional<stage::fingerprint>& print);

  /// Makes the stream of `length` bytes final; success is final. After a failure: abort().
  [[nodiscard]] virtual awaitable<failure> commit(std::uint64_t length) = 0;
  /// How many bytes the stream that was opened last became by compression, until now; 0: it is not
  /// compressed.
  [[nodiscard]] virtual std::uint64_t compressed() const noexcept { return 0; }
  /// What it has told of the last stream. State: commit() has succeeded.
  [[nodiscard]] virtual std::span<const fact> facts() const noexcept { return {}; }

  /// How many bytes of the stream that is open are safe with the other side, where that is told.
  [[nodiscard]] virtual std::optional<std::uint64_t> acknowledged() const noexcept {
    return std::nullopt;
  }

  /// What the sink has found out between two operations: why the stream that is open cannot be
  /// completed. Each operation fails for that reason from then on, until abort(). Null: nothing.
  [[nodiscard]] virtual const failure* trouble() const noexcept { return nullptr; }
  /// `to`, which must outlive the sink, is notified when there is trouble().
  virtual void announce_trouble(io::condition& /*to*/) {}

  /// Cancels and awaits what is under way, then gives the stream up. Any state after open() was
  /// called and before commit() succeeded; afterwards open() may be called again. Never fails.
  [[nodiscard]] virtual awaitable<void> abort() = 0;

  /// Makes what is under way, and all that comes until abort(), fail with operation_aborted. A call
  /// that does not return, whatever it is asked, keeps the sink busy().
  virtual void cancel() = 0;

  /// For the log: "sink fifo".
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  /// Whether an operation is under way, and whether it is an abort.
  enum class activity { none, working, aborting };
  [[nodiscard]] virtual activity busy() const noexcept = 0;

  /// Whether flush() does anything.
  [[nodiscard]] virtual bool flushes() const noexcept = 0;
};

inline awaitable<failure> sink::write_parts(std::span<iovec> parts) {
  for (const auto& part : parts) {
    const std::span data(static_cast<const std::byte*>(part.iov_base), part.iov_len);
    auto failed = co_await write(data);
    if (failed) co_return failed;
  }
  co_return failure{};
}

inline awaitable<failure> sink::seal(std::span<const std::byte>,
                                     std::optional<stage::fingerprint>&) {
  co_return failure{};
}

}  // namespace nbdstream::sink
#endif
