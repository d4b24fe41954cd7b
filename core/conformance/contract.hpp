// SPDX-License-Identifier: BSD-3-Clause
//
// The sentences of sink.h that a module can break, word for word, so that a report can quote them.
#ifndef NBDSTREAM_CONFORMANCE_CONTRACT_HPP
#define NBDSTREAM_CONFORMANCE_CONTRACT_HPP

#include <string_view>

namespace nbdstream::conformance::contract {

using sentence = std::string_view;

inline constexpr sentence none;
inline constexpr sentence results = "A call returns 0 or more for success, or -errno.";
inline constexpr sentence repeated =
    "the host asks wait_for() what to wait for, waits, and repeats the same call with the same "
    "arguments.";
inline constexpr sentence must_not_block =
    "a call must not block, unless its phase is declared in `blocking`.";
inline constexpr sentence one_line = "one line, without a full stop";

inline constexpr sentence log_until_destroy = "Any thread, any time until destroy.";
inline constexpr sentence explain_within_a_call = "Only from within a call, on that call's thread.";
inline constexpr sentence setting_in_create = "Only during create;";
inline constexpr sentence result_in_commit = "Only from within commit, on that call's thread;";
inline constexpr sentence result_form =
    "`key` has a-z, 0-9 and '_', at most 64 bytes; `value` is UTF-8, at most 4096 bytes.";
inline constexpr sentence progress =
    "tells that the first `length` bytes of the open stream are safe on the other side:";
inline constexpr sentence progress_in_stream =
    "Any thread, from open until commit or abort has returned.";
inline constexpr sentence wake_until_destroy = "Any thread, any time until destroy,";

inline constexpr sentence wait_names_something = "One of fd and timeout_ns must be given";
inline constexpr sentence wait_events = "POLLIN, POLLOUT as in poll(2);";
inline constexpr sentence wait_for_is_there = "NULL only if no call ever returns -EAGAIN.";

inline constexpr sentence create =
    "Checks the settings and prepares what must exist before a client comes";
inline constexpr sentence sets_sink = "and sets *sink, which every later call receives.";
inline constexpr sentence destroy_frees = "Frees the sink.";
inline constexpr sentence open_begins = "Begins a stream. State: not open.";
inline constexpr sentence write_takes =
    "Takes up to `length` (1 or more) bytes, the next of the stream; returns how many, 1 or more.";
inline constexpr sentence write_required =
    "Not called while a descriptor is lent; required otherwise.";
inline constexpr sentence zero_appends =
    "Appends up to `length` (1 or more) zero bytes; returns how many, 1 or more.";
inline constexpr sentence zero_moves =
    "With a lent descriptor it moves that descriptor's file offset on.";
inline constexpr sentence flush =
    "The client asked that what was sent so far be made durable. State: open.";
inline constexpr sentence lends =
    "Lends the host a descriptor to which it writes the stream itself";
inline constexpr sentence lends_or_not = "or returns -1 to have write called.";
inline constexpr sentence not_ours_to_change =
    "so the host must not change its flags, such as O_NONBLOCK.";
inline constexpr sentence commit_is_final =
    "Makes it final, and only then returns 0, after which the sink is no longer open.";
inline constexpr sentence abort_never_fails = "Never fails; may return -EAGAIN for a bounded time.";
inline constexpr sentence not_open_afterwards = "afterwards not open.";
inline constexpr sentence check =
    "tells whether the open stream can still be completed, as far as the module knows: 0, or "
    "-errno if it cannot";
inline constexpr sentence check_is_an_answer = "must not block, and never returns -EAGAIN.";
inline constexpr sentence interrupt =
    "Asks a blocking call that is running on the sink's own thread "
    "to return soon";

}  // namespace nbdstream::conformance::contract
#endif
