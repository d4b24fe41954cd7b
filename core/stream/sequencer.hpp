// SPDX-License-Identifier: BSD-3-Clause
//
// Decides where the bytes of each request go, and which of those that are held come next. Pure: no
// I/O, no clock, no payload but what it keeps in the window's memory.
//
// The cursor C is the stream's position: every byte before C has been handed to the sink. What is
// named ahead of C is held, as an extent of zeroes, of memory or of the spill file, until C reaches
// it; what lies behind C cannot be placed any more. The orders differ in what they hold:
//
//   strict   nothing: a gap ahead of C is sent as zeroes at once
//   window   payload in memory, as much as the window has
//   spill    as window, and in the spill file what the window cannot hold
//   spool    everything, in the spill file, until the end: C stays at 0
//   any      nothing: each request is sent as it comes, by an encoding that carries offsets. C
//            stays at 0, and what was sent is remembered, for its coverage and for readers
#ifndef NBDSTREAM_STREAM_SEQUENCER_HPP
#define NBDSTREAM_STREAM_SEQUENCER_HPP

#include "stream/coverage.hpp"
#include "stream/extents.hpp"
#include "stream/fill_map.hpp"
#include "stream/window.hpp"

#include <boost/container/flat_set.hpp>
#include <boost/system/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace nbdstream::stream {

enum class order { strict, window, spill, spool, any };

/// Why a request has no place in the stream, which fails with it.
struct refusal {
  int error_number;  ///< errno for the client
  std::string why;   ///< one clause: what came, where the cursor was, what would have taken it
};

template <class T>
using result = boost::system::result<T, refusal>;

/// What the caller does with a request. All in bytes.
struct placement {
  enum class place {
    next,            ///< send the zeroes, then the payload; the cursor is behind both already
    memory,          ///< receive the payload into `block`, then payload_arrived()
    spill,           ///< write the payload to the spill file, then payload_arrived()
    held_as_zeroes,  ///< nothing: it is held by reference
    full  ///< nothing has happened; ask again when the cursor has moved or memory is free
  };
  place where = place::next;
  std::uint64_t zeroes = 0;        ///< so many zeroes,
  std::uint64_t zeroes_begin = 0;  ///< here, come first
  std::uint64_t begin = 0;         ///< where the payload stands in the stream
  std::uint64_t payload = 0;       ///< so much of it is the stream's;
  std::uint64_t excess = 0;        ///< the rest lies beyond the size: drop it, it must be zero
  block_ptr block{};               ///< memory
  bool answer_later = false;       ///< memory: the window is more than half full
  bool replaces_spill = false;  ///< held_as_zeroes: the spill file has bytes there, needed no more
};

/// Something to be sent, which the cursor is behind already.
struct step {
  std::uint64_t zeroes = 0;        ///< so many zeroes,
  std::uint64_t zeroes_begin = 0;  ///< here; or
  extent held{};                   ///< these bytes, in memory or the spill file
};

class sequencer {
 public:
  struct limits {
    std::optional<std::uint64_t> size{};           ///< the stream's length, where it is known
    std::uint64_t max_stream = ~std::uint64_t{0};  ///< else: no byte at or beyond this
    order mode = order::strict;
    /// any: what no request has named is zeroes, and is sent as such at the end; else it keeps the
    /// content that the reader of the stream has.
    bool gaps_are_zeroes = true;
    std::uint64_t window = 0;                 ///< bytes of memory; window, spill
    std::uint64_t spill = ~std::uint64_t{0};  ///< bytes in the spill file; spill, spool
    /// So many extents are held at most, each of about 64 bytes of memory. A stream of more
    /// separate pieces is treated as a full window; in spool and any, where nothing would ever
    /// free room, as a full disk.
    std::size_t extents = std::size_t{1} << 21;
  };

  /// A step carries no more of the spill file than this.
  static constexpr std::uint64_t max_spill_step = 4 << 20;  // bytes

  explicit sequencer(limits l) noexcept : limits_(l), window_(l.window), filled_(l.size) {}

  /// A request that is under way ahead of the cursor, its bytes not all there yet: nothing at or
  /// behind its offset is sent meanwhile. Ends with its life; must not outlive the sequencer.
  class pending {
   public:
    pending() = default;
    pending(pending&& other) noexcept
        : of_(std::exchange(other.of_, nullptr)), offset_(other.offset_) {}
    pending& operator=(pending&& other) noexcept {
      if (this != &other) {
        end();
        of_ = std::exchange(other.of_, nullptr);
        offset_ = other.offset_;
      }
      return *this;
    }
    ~pending() { end(); }
    void end() noexcept {
      if (!of_) return;
      auto& all = std::exchange(of_, nullptr)->pending_;
      all.erase(all.find(offset_));
    }

   private:
    friend class sequencer;
    sequencer* of_ = nullptr;
    std::uint64_t offset_ = 0;
  };
  [[nodiscard]] pending await(std::uint64_t offset);

  /// Whether a request at `offset` would be sent at once (place::next), so that who asks needs the
  /// right to feed the sink first. `payload`: it is a write, not zeroes.
  [[nodiscard]] bool at_cursor(std::uint64_t offset, bool payload) const;

  /// Names [offset, offset + length), which check_request() found to lie within the export, and
  /// which is not empty.
  [[nodiscard]] result<placement> write(std::uint64_t offset, std::uint64_t length);
  [[nodiscard]] result<placement> write_zeroes(std::uint64_t offset, std::uint64_t length);
  /// Like write_zeroes for what lies ahead of the cursor, but it names nothing; what lies behind it
  /// is a hint that comes too late, and is ignored.
  [[nodiscard]] result<placement> trim(std::uint64_t offset, std::uint64_t length);

  /// The payload of a write that is held (`where` memory or spill) is there. Where the cursor has
  /// passed some of it meanwhile, another write of the same bytes came first, and counts.
  void payload_arrived(const placement& p);

  /// Takes what comes next, if it is there. State: who asks may feed the sink, and sends it.
  [[nodiscard]] std::optional<step> next();
  [[nodiscard]] bool ready() const { return next_range().has_value(); }
  /// Whether that is there, and in memory.
  [[nodiscard]] bool memory_at_cursor() const;

  /// Whether a gap at the cursor keeps held or awaited requests from being sent.
  [[nodiscard]] bool waits_for_gap() const;
  /// Gives that gap up: it counts as zeroes that nobody named. Returns how many bytes to send.
  [[nodiscard]] std::uint64_t close_gap();

  /// No request comes any more. Where the size is known: `pad` makes the rest of it zeroes. From
  /// now on next() gives all that is left, gaps as zeroes.
  void finish(bool pad);

  /// What named() would be if finish() were called now.
  [[nodiscard]] coverage named_until_now() const;

  /// What was named, and what was not; final once finish() was called.
  [[nodiscard]] const coverage& named() const noexcept { return named_; }
  /// Behind the highest byte that any request has named. State: finish() was called.
  [[nodiscard]] std::uint64_t end_of_named() const noexcept { return end_of_named_; }

  [[nodiscard]] std::uint64_t cursor() const noexcept { return cursor_; }
  /// Bytes of the disk that are done with: sent or, as long as all is held until the end, held.
  [[nodiscard]] std::uint64_t done() const noexcept {
    const bool holds_all = limits_.mode == order::spool && !finished_;
    return holds_all || limits_.mode == order::any ? held_.bytes() : cursor_;
  }
  /// The disk as the stream has filled it until now.
  [[nodiscard]] fill_map::picture paint() const { return filled_.paint(held_); }
  /// How many requests are pending.
  [[nodiscard]] std::size_t awaited() const noexcept { return pending_.size(); }
  /// Whether a write to the spill file is under way.
  [[nodiscard]] bool spilling() const noexcept { return spilling_ > 0; }
  [[nodiscard]] const extents& held() const noexcept { return held_; }
  [[nodiscard]] const stream::window& memory() const noexcept { return window_; }

  /// Forgets what is held, and gives its memory back to the system: the stream is over.
  void drop() {
    held_ = {};
    trimmed_ = {};
    window_.keep_none();
  }

  /// How the writes came, for the log.
  struct record {
    std::uint64_t ahead = 0;     ///< writes that were held
    std::uint64_t distance = 0;  ///< the farthest that one began ahead of the cursor, in bytes
    std::uint64_t spilled = 0;   ///< the most that was in the spill file at once, in bytes
  };
  [[nodiscard]] const record& history() const noexcept { return record_; }

 private:
  struct range {
    std::uint64_t begin, end;
  };
  /// Within the size.
  [[nodiscard]] range clip(std::uint64_t offset, std::uint64_t length) const noexcept;
  [[nodiscard]] std::optional<refusal> check(std::uint64_t offset, std::uint64_t length) const;
  [[nodiscard]] refusal behind(std::uint64_t offset, std::uint64_t length) const;
  [[nodiscard]] result<placement> hold(placement p);
  [[nodiscard]] result<placement> find_no_room(placement p) const;
  void send_now(std::uint64_t begin, std::uint64_t end);
  void skip_to(std::uint64_t end);
  void name_as_data(std::uint64_t begin, std::uint64_t end);
  template <class Action>
  void for_each_unnamed(std::uint64_t begin, std::uint64_t end, bool trimmed_too,
                        Action action) const;
  void count_unnamed(std::uint64_t begin, std::uint64_t end, coverage& in) const;
  [[nodiscard]] result<placement> place_zeroes(std::uint64_t offset, std::uint64_t length);
  [[nodiscard]] std::uint64_t find_end_of_named() const;
  [[nodiscard]] bool in_order(std::uint64_t offset) const;
  [[nodiscard]] bool holds_too_many() const noexcept {
    return held_.size() + trimmed_.size() + 2 > limits_.extents;
  }
  [[nodiscard]] std::uint64_t first_data(std::uint64_t limit) const;
  [[nodiscard]] std::optional<range> next_gap() const;
  [[nodiscard]] std::optional<range> next_range() const;

  limits limits_;
  std::uint64_t cursor_ = 0;
  stream::window window_;  // before what refers to its blocks
  extents held_;           ///< and with order::any what was sent
  extents trimmed_;        ///< what of held_ is zeroes only by TRIM, which names nothing
  boost::container::flat_multiset<std::uint64_t> pending_;  // one or two a connection
  std::uint64_t spilling_ = 0;     ///< bytes on their way to the spill file
  std::uint64_t given_up_to_ = 0;  ///< the end of the last gap that close_gap() gave up
  bool finished_ = false;
  std::uint64_t length_ = 0;  ///< of the stream, once it is finished
  std::uint64_t end_of_named_ = 0;
  coverage named_;
  record record_;
  fill_map filled_;
};

/// What of [begin, end), none of which was sent, no request has named: gaps and, where
/// `trimmed_too`, what was only trimmed; in rising order.
template <class Action>
void sequencer::for_each_unnamed(std::uint64_t begin, std::uint64_t end, bool trimmed_too,
                                 Action action) const {
  for (auto at = begin; at < end;) {
    const auto e = held_.at_or_after(at);
    const auto gap_end = e ? std::min(e->begin, end) : end;
    if (at < gap_end) action(range{at, gap_end});
    if (!e) return;
    const auto until = std::min(e->end, end);
    const bool looks = trimmed_too && !e->carries_data();
    for (auto from = std::max(gap_end, at); looks && from < until;) {
      const auto hint = trimmed_.at_or_after(from);
      if (!hint || hint->begin >= until) break;
      action(range{std::max(hint->begin, from), std::min(hint->end, until)});
      from = hint->end;
    }
    at = std::max(until, at);
  }
}

}  // namespace nbdstream::stream
#endif
