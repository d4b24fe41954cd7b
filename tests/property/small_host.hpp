// SPDX-License-Identifier: BSD-3-Clause
//
// A host of the sequencer without coroutines: its requests wait in lists.
#ifndef NBDSTREAM_TESTS_PROPERTY_SMALL_HOST_HPP
#define NBDSTREAM_TESTS_PROPERTY_SMALL_HOST_HPP

#include "script.hpp"
#include "stream/sequencer.hpp"

#include <list>
#include <string>

namespace nbdstream::test {

class small_host {
 public:
  explicit small_host(const script& s);

  /// Places a request, or lets it wait for room. Returns 0, or the error.
  int ask(const op& o, std::size_t index);
  /// One request later: late payloads may have arrived.
  void time_passes();
  /// Sends what can be sent, and skips the gaps that a full window may not wait for.
  void send_ready();
  /// All late payloads arrive, and then everything is sent.
  void finish();

  [[nodiscard]] std::string read(std::uint64_t offset, std::uint64_t length) const;

  [[nodiscard]] const std::string& sent() const noexcept { return sent_; }
  [[nodiscard]] const stream::sequencer& order() const noexcept { return sequencer_; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bool anybody_waits() const noexcept { return !waiting_.empty(); }
  [[nodiscard]] bool anybody_late() const noexcept { return !late_.empty(); }
  /// The offset of the first request in flight.
  [[nodiscard]] std::uint64_t barrier() const;
  [[nodiscard]] bool overlaps_unanswered(const op& o) const;
  /// "", or what is wrong with the held bytes.
  [[nodiscard]] std::string check() const;

 private:
  struct late {
    op what;
    std::size_t index;
    stream::placement place;
    stream::sequencer::pending pending;
    int left;  ///< requests until its payload arrives
  };
  struct waiter {
    op what;
    std::size_t index;
    stream::sequencer::pending pending;
  };

  [[nodiscard]] stream::result<stream::placement> place(const op& o);
  void put(const stream::placement& p, const op& o, std::size_t index);
  void arrive(const late& l);
  bool ask_again();
  bool skip_gap();

  const script& script_;
  stream::sequencer sequencer_;
  std::string sent_;
  std::string spill_;
  std::list<late> late_;
  std::list<waiter> waiting_;
  std::list<op> late_replies_;
  bool failed_ = false;
};

}  // namespace nbdstream::test
#endif
