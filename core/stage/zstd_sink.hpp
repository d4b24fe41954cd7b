// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STAGE_ZSTD_SINK_HPP
#define NBDSTREAM_STAGE_ZSTD_SINK_HPP

#include "io/async_scope.hpp"
#include "io/worker.hpp"
#include "log/log.hpp"
#include "seekable/table_builder.hpp"
#include "stage/forwarding_sink.hpp"
#include "stage/under_way.hpp"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace nbdstream::stage {

class frame_compressor;

/// In front of a sink: compresses what goes into it, in the seekable format of Zstandard.
///
/// What comes fills a frame. A frame that is full goes to a thread that is free, and a coroutine
/// hands the frames to the next sink in their order, as soon as they are there. Zeroes of whole
/// frames are counted, and written as copies of one frame. The seek table is written by commit()
/// alone, so that what was aborted has none.
class zstd_sink final : public forwarding_sink {
 public:
  struct settings {
    int level = 3;
    unsigned threads = usual_threads();
  };
  /// As many as there are processors, at most 4.
  [[nodiscard]] static unsigned usual_threads() noexcept;

  /// `log` is borrowed.
  zstd_sink(const asio::any_io_executor& executor, std::unique_ptr<sink> to, settings s,
            log::logger& log);
  ~zstd_sink() override;
  zstd_sink(const zstd_sink&) = delete;
  zstd_sink& operator=(const zstd_sink&) = delete;

  [[nodiscard]] awaitable<failure> open(const nbdstream::sink::stream_info& stream) override;
  [[nodiscard]] awaitable<failure> write(std::span<const std::byte> data) override;
  [[nodiscard]] awaitable<failure> write_zeroes(std::uint64_t count) override;
  [[nodiscard]] awaitable<failure> write_file(int from, std::uint64_t offset,
                                              std::uint64_t count) override;
  [[nodiscard]] bool splices() const noexcept override { return false; }
  [[nodiscard]] awaitable<io::splice_result> splice(int socket, std::uint64_t count) override;
  /// Files are read, never handed on.
  [[nodiscard]] std::uint64_t in_transit() const noexcept override { return 0; }
  /// What is in a frame that is not full stays here.
  [[nodiscard]] awaitable<failure> wait_until_taken() override;
  /// Likewise.
  [[nodiscard]] awaitable<failure> flush() override;
  /// `length`: what was written. The next sink commits the compressed length.
  [[nodiscard]] awaitable<failure> commit(std::uint64_t length) override;
  [[nodiscard]] awaitable<void> abort() override;
  void cancel() override;
  [[nodiscard]] std::uint64_t compressed() const noexcept override { return written_; }
  // acknowledged() stays unknown: the sink counts bytes of the compressed stream.

 private:
  /// Room for a frame of content, or for such a frame compressed. A thread may keep it longer.
  using buffer = std::shared_ptr<std::byte[]>;

  /// What goes to the next sink in its turn: a frame, or many that are zeroes.
  struct item {
    buffer frame;
    std::size_t size = 0;  ///< of the frame, in bytes; 0: it is not compressed yet
    std::uint32_t zero_frames = 0;
  };
  struct lane {
    std::shared_ptr<frame_compressor> with;
    std::unique_ptr<io::worker> thread;
    bool busy = false;
  };

  // Into frames.
  [[nodiscard]] failure stopped() const;
  [[nodiscard]] awaitable<buffer> take_buffer();
  [[nodiscard]] awaitable<failure> begin_data();
  [[nodiscard]] awaitable<failure> added(std::size_t count);
  [[nodiscard]] awaitable<failure> end_frame();
  [[nodiscard]] failure add_zero_frames(std::uint64_t count);
  [[nodiscard]] failure claim_frames(std::uint64_t count);
  [[nodiscard]] awaitable<lane*> take_lane();
  [[nodiscard]] awaitable<void> compress(lane& on, std::shared_ptr<item> into, buffer content,
                                         std::size_t size);

  // Out of them.
  [[nodiscard]] awaitable<void> hand_on();
  [[nodiscard]] awaitable<failure> send(item& next);
  [[nodiscard]] awaitable<failure> wait_until_handed_on();
  [[nodiscard]] awaitable<failure> write_table();
  [[nodiscard]] awaitable<failure> pass(std::span<const std::byte> data);

  void begin_work();
  [[nodiscard]] awaitable<void> end_work();
  void fail(failure why);

  asio::any_io_executor executor_;
  settings settings_;
  io::worker file_reader_;
  bool cancelled_ = false;

  // Of the stream that is open.
  std::vector<lane> lanes_;
  std::vector<buffer> free_buffers_;
  std::size_t buffers_ = 0;   ///< that there are
  buffer content_;            ///< of the frame that is not full; none while that is zeroes only
  std::size_t filled_ = 0;    ///< bytes of it
  std::uint32_t frames_ = 0;  ///< that have begun or are complete
  std::deque<std::shared_ptr<item>> queue_;
  std::vector<std::byte> zero_frames_;  ///< several copies of a compressed frame of zeroes,
  std::size_t zero_frame_size_ = 0;     ///< so long each
  seekable::table_builder table_;
  std::uint64_t written_ = 0;  ///< bytes that the next sink was given
  failure failure_;            ///< of what goes on beside the operations
  bool handing_on_ = false;    ///< hand_on() has not ended,
  bool closing_ = false;       ///< and is to

  io::async_scope scope_;
};

}  // namespace nbdstream::stage
#endif
