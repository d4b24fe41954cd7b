// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `s3`: an object that appears when the stream is complete, and only then.
//
// No call waits: write and zero fill a part in memory, and threads of the sink's own send the parts
// that are full. So a transfer goes on while the client is idle, and neither digests nor TLS hold
// up the thread that serves everybody.
#include <openssl/rand.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <nbdstream/sink.hpp>
#include <optional>

#include "../medium/digest.hpp"
#include "buffers.hpp"
#include "client.hpp"
#include "crew.hpp"
#include "filling.hpp"
#include "inspection.hpp"
#include "schedule.hpp"
#include "settings.hpp"
#include "upload.hpp"

namespace nbdstream::s3 {
namespace {

using std::chrono::seconds;
using state = upload::state;

constexpr auto abort_is_slow = seconds(3);
constexpr auto abort_is_given_up = seconds(60);
// A call keeps the thread of the host for as long as it clears memory.
constexpr std::uint64_t most_zeroes = 64 * MiB;

std::string new_nonce() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    throw sink_error(EIO, "OpenSSL has no random numbers");
  return medium::hex(std::string(bytes.begin(), bytes.end()));
}

class s3_sink {
 public:
  static constexpr sink_description about{
      .name = "s3",
      .description = "Send an object to an S3 server, where it appears when it is complete"};
  static constexpr auto options = known_options;

  explicit s3_sink(sink_host host)
      : host_(host),
        client_(read_settings(host), [host](nbdstream_log_level level,
                                            const std::string& text) { host.log(level, text); }),
        crew_(client_, [pool = pool_] { pool->give_back(); }) {
    if (const auto warning = inspect(client_)) host_.log(NBDSTREAM_LOG_WARNING, *warning);
  }

  ~s3_sink() { leave_behind(); }
  s3_sink(const s3_sink&) = delete;
  s3_sink& operator=(const s3_sink&) = delete;

  int open(const nbdstream_stream& stream) {
    leave_behind();
    const settings& s = client_.configuration();
    auto target = std::make_shared<object>();
    target->key = expand_key(s.name.key, stream.export_name, stream.id, std::time(nullptr));
    target->nonce = new_nonce();
    target->overwrite = s.overwrite;
    name_ = s.object_url(target->key);
    if (!s.overwrite && target->key == last_key_)
      throw sink_error(EEXIST, name_ +
                                   " exists: an earlier stream wrote it; put {stream} or {time} "
                                   "into the key, or replace it with `overwrite=true`");
    std::optional<std::uint64_t> size;
    size_known_ = (stream.flags & NBDSTREAM_STREAM_SIZE_KNOWN) != 0;
    if (size_known_) size = stream.size;
    sizes_ = schedule(s.part_size, size);
    capacity_ = sizes_.capacity();
    if (size && *size > capacity_)
      throw sink_error(EFBIG, name_ + ": the stream has " + std::to_string(*size / MiB) +
                                  " MiB, and " + too_long());
    length_ = 0;
    crew_.begin();
    begin_part(1);
    upload_ = std::make_shared<upload>(std::move(target), name_, s.retry_timeout);
    return 0;
  }

  std::int64_t write(std::span<const std::byte> data) {
    if (!make_room()) return -EAGAIN;
    return taken(part_.write(data, *pool_, buffers_));
  }

  std::int64_t zero(std::uint64_t length) {
    if (!make_room()) return -EAGAIN;
    return taken(part_.zero(std::min(length, most_zeroes)));
  }

  int commit(std::uint64_t length) {
    crew_.drain();
    const state now = crew_.with(upload_, [&](upload& u) {
      if (u.now() == state::open) u.finish(part_.take(), length, clock::now());
      return u.now();
    });
    if (now == state::failed) fail();
    if (now != state::committed) return -EAGAIN;
    tell_result();
    warn_of_another();
    last_key_ = upload_->target().key;
    forget();
    return 0;
  }

  int abort() noexcept {
    if (!upload_) return 0;
    (void)part_.take();
    crew_.drain();
    const state now = crew_.with(upload_, [](upload& u) {
      u.abort();
      return u.now();
    });
    const auto time = clock::now();
    if (!aborting_since_) aborting_since_ = time;
    const bool over = now == state::aborted || time - *aborting_since_ >= abort_is_given_up;
    if (over || time - *aborting_since_ >= abort_is_slow) warn_of_leftover();
    if (!over) return -EAGAIN;
    warn_of_another();
    forget();
    return 0;
  }

  int wait_for(nbdstream_wait& wait) {
    wait.fd = crew_.event();
    wait.events = POLLIN;
    if (aborting_since_) wait.timeout_ns = std::chrono::nanoseconds(seconds(1)).count();
    return 0;
  }

 private:
  /// Whether the part that is being filled has room; a full one is handed over as soon as it is
  /// known that it is not the last: a stream of one part is no multipart upload.
  bool make_room() {
    crew_.drain();
    const unsigned connections = client_.configuration().connections;
    const auto [now, waiting] = crew_.with(
        upload_, [](const upload& u) { return std::pair(u.now(), u.parts() - u.stored()); });
    if (now == state::failed) fail();
    if (!part_.full()) return true;
    if (length_ >= capacity_) throw sink_error(EFBIG, name_ + ": " + too_long());
    // The one that is full counts: each connection has one, and one more is filled.
    if (waiting >= connections) return false;
    const auto next = crew_.with(upload_, [&](upload& u) {
      u.part(part_.take());
      return u.parts() + 1;
    });
    begin_part(next);
    return true;
  }

  void begin_part(std::size_t number) {
    const settings& s = client_.configuration();
    const std::uint64_t size = sizes_.size_of(number);
    part_ = filling(static_cast<std::size_t>(size));
    buffers_ = buffer_count(size, s.connections, s.memory);
    if (buffers_ > s.connections || said_size_ == size) return;
    said_size_ = size;
    host_.log(NBDSTREAM_LOG_INFO,
              name_ + ": parts of " + std::to_string(size / MiB) + " MiB go by " +
                  std::to_string(buffers_ - 1) + " of " + std::to_string(s.connections) +
                  " connections, as memory=" + std::to_string(s.memory / MiB) +
                  "M allows no more: give more memory" +
                  (size_known_ ? "" : ", or --size, so that they need not grow"));
  }

  std::int64_t taken(std::size_t count) {
    if (count == 0) return -EAGAIN;  // a part on its way has the buffer, and its end wakes us
    length_ += count;
    return static_cast<std::int64_t>(count);
  }

  [[noreturn]] void fail() {
    const failure why = crew_.with(upload_, [](const upload& u) { return u.error(); });
    throw sink_error(why.error, why.text);
  }

  [[nodiscard]] std::string too_long() const {
    const auto given = client_.configuration().part_size;
    return "S3 takes 10,000 parts, here " + std::to_string(capacity_ / MiB) +
           " MiB in all; give a " + (given ? "larger part-size, or none" : "part-size of up to 5G");
  }

  void tell_result() const {
    const completion& done = upload_->committed();
    const outcome& object = done.result();
    if (!done.unseen().empty())
      host_.log(NBDSTREAM_LOG_DEBUG,
                "the server confirmed that the object is complete, but these credentials may not "
                "look at it: " +
                    done.unseen());
    std::string etag = object.part.etag;
    std::erase(etag, '"');
    host_.result("etag", etag);
    if (!object.version.empty()) host_.result("version_id", object.version);
    const request_mode how = client_.how();
    const settings& s = client_.configuration();
    host_.result("location",
                 locate(how.at, s.how, s.name.bucket, upload_->target().key).url(how.at));
  }

  /// Once for each stream. It is in the log before anybody can give up the wait.
  void warn_of_leftover() noexcept try {
    const auto [id, why, now] = crew_.with(
        upload_, [](const upload& u) { return std::tuple(u.upload_id(), u.leftover(), u.now()); });
    if (warned_ || (now == state::aborted && why.empty())) return;
    warned_ = true;
    host_.log(NBDSTREAM_LOG_WARNING,
              describe_leftover(client_, upload_->target().key, id, why, now == state::aborted));
  } catch (...) {  // no memory for a line
  }

  void warn_of_another() noexcept try {
    const auto lost = crew_.with(upload_, [](const upload& u) { return u.lost_another(); });
    if (!lost) return;
    host_.log(
        NBDSTREAM_LOG_WARNING,
        name_ +
            ": the server's answer to the beginning of an upload was lost, so it may keep one "
            "without parts; see with " +
            command_that_lists_uploads(client_, upload_->target().key));
  } catch (...) {  // no memory for a line
  }

  /// An abort that the host has given up goes on by itself.
  void leave_behind() noexcept {
    if (upload_) warn_of_leftover();
    forget();
  }

  void forget() noexcept {
    upload_.reset();
    crew_.end();
    part_ = {};
    aborting_since_.reset();
    warned_ = false;
    said_size_ = 0;
  }

  sink_host host_;
  std::shared_ptr<buffer_pool> pool_ = std::make_shared<buffer_pool>();
  client client_;
  crew crew_;
  std::shared_ptr<upload> upload_;
  schedule sizes_{{}, {}};
  bool size_known_ = false;
  std::uint64_t capacity_ = 0;  ///< of the stream, in bytes
  std::uint64_t length_ = 0;    ///< so far
  filling part_;
  std::size_t buffers_ = 0;      ///< at a time, of this size
  std::uint64_t said_size_ = 0;  ///< for which the log says how many connections there are
  std::string name_;
  std::string last_key_;  ///< of the last stream that was committed
  std::optional<time_point> aborting_since_;
  bool warned_ = false;
};

}  // namespace
}  // namespace nbdstream::s3

NBDSTREAM_EXPORT_SINK(nbdstream::s3::s3_sink)
