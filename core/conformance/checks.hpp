// SPDX-License-Identifier: BSD-3-Clause
//
// What a module is put through. Each check runs in a process of its own, which has loaded the
// module for it, so that no fault of the module can hide another.
#ifndef NBDSTREAM_CONFORMANCE_CHECKS_HPP
#define NBDSTREAM_CONFORMANCE_CHECKS_HPP

#include "conformance/subject.hpp"

#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace nbdstream::conformance {

/// Makes the sinks of a check, and owns them.
class fixture {
 public:
  explicit fixture(const setup& s) : setup_(s) {}

  /// A new sink, not yet created.
  subject& make();
  /// The same, created.
  subject& created();

  [[nodiscard]] const setup& given() const noexcept { return setup_; }
  [[nodiscard]] const nbdstream_sink_table& table() const noexcept { return setup_.module.table; }
  /// Whether the module is for one stream of one process.
  [[nodiscard]] bool one_stream() const noexcept {
    return (table().flags & NBDSTREAM_SINK_USES_STDOUT) != 0;
  }
  void leave_out(std::string_view why) const { setup_.report.send(kind::left_out, why); }

  /// Makes the reader of standard output do something.
  void tell_reader(kind what) const {
    setup_.report.send(what);
    setup_.report.await_answer();
  }

  /// After an aborted check: aborts open streams and destroys sinks, as far as possible.
  void clean_up();

 private:
  setup setup_;
  std::vector<std::unique_ptr<subject>> subjects_;
};

struct check {
  std::string_view name;  ///< continues "the sink ..."
  void (*run)(fixture&);
  bool essential = false;  ///< if it is aborted, no other check is made
};

[[nodiscard]] std::span<const check> checks();

// Those about the ends of streams, in checks_ends.cpp.
void check_abort_after_open(fixture& f);
void check_abort_after_data(fixture& f);
void check_abort_instead_of_open(fixture& f);
void check_abort_instead_of_commit(fixture& f);
void check_failed_commit(fixture& f);
void check_reader_that_leaves(fixture& f);
void check_interrupted_open(fixture& f);
void check_interrupted_write(fixture& f);
void check_interrupted_commit(fixture& f);

}  // namespace nbdstream::conformance
#endif
