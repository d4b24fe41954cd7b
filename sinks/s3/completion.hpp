// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_COMPLETION_HPP
#define NBDSTREAM_SINKS_S3_COMPLETION_HPP

#include <cstdint>
#include <optional>
#include <string>

#include "job.hpp"

namespace nbdstream::s3 {

/// From the last part to an object that is known to be there: one job after another.
///
/// Each answer to the final request (PUT or Complete) may be wrong: a reply is lost, a server says
/// 200 and an error behind it, Ceph's gateway says "500, is in progress" of what is done or gone.
/// So whatever is not plainly good is answered by a look at the object, and so is what is good.
class completion {
 public:
  /// `final`: the PUT or Complete that makes the object; `length`: that it will have; `patience`:
  /// how long it is repeated while nobody knows what has come of it.
  completion(job final, std::string name, std::uint64_t length, duration patience);

  job begin(time_point now);
  /// What has come of the last job; returns the next one. None: it is over, see error().
  std::optional<job> next(const outcome& result, time_point now);

  /// Without an errno: the object is there, it is ours, and complete.
  [[nodiscard]] const failure& error() const noexcept { return error_; }
  /// Of the object: ETag, version, location.
  [[nodiscard]] const outcome& result() const noexcept { return last_; }
  /// Why nobody could see the object; empty: it was seen.
  [[nodiscard]] const std::string& unseen() const noexcept { return unseen_; }

 private:
  enum class step { checking, finishing, asking, confirming };

  job look(unsigned tries = 0) const;
  std::optional<job> send(time_point now);
  std::optional<job> after_check(const outcome& seen, time_point now);
  std::optional<job> after_final(const outcome& result);
  std::optional<job> after_question(const outcome& seen, time_point now);
  std::optional<job> after_confirmation(const outcome& seen);
  std::optional<job> fail(int error, const std::string& text);
  std::optional<job> accept(const outcome& seen);
  [[nodiscard]] bool is_ours(const outcome& seen) const;

  job final_;
  std::string name_;
  std::uint64_t length_;
  duration patience_;
  step step_ = step::checking;
  unsigned tries_ = 0;  ///< how often the final request was made
  unsigned gone_ = 0;   ///< how often the upload was not there
  unsigned looks_ = 0;  ///< for an object that was said to be there
  time_point since_{};  ///< when the final request was made for the first time
  outcome last_;        ///< of the last final request
  failure error_;
  std::string unseen_;
};

}  // namespace nbdstream::s3
#endif
