// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_REMOVAL_HPP
#define NBDSTREAM_SINKS_S3_REMOVAL_HPP

#include <memory>
#include <optional>
#include <string>

#include "job.hpp"

namespace nbdstream::s3 {

/// What an upload may have left on the server.
struct remains {
  std::string upload_id;         ///< empty: there is no multipart upload
  bool parts_were_sent = false;  ///< some were on their way when they were stopped
  bool object = false;           ///< the object was asked for, so it may be there
  bool object_in_doubt = false;  ///< the answer to that is missing, so it may also appear later
};

/// From an upload that is given up to a server that has nothing of it: one job after another. All
/// requests of the upload must have ended before.
class removal {
 public:
  removal(std::shared_ptr<const object> target, remains what);

  /// None: nothing is left.
  std::optional<job> begin();
  /// What has come of the last job; returns the next one. None: it is over, see leftover().
  std::optional<job> next(const job& which, const outcome& result);

  /// Why something may have stayed; empty: nothing has.
  [[nodiscard]] const std::string& leftover() const noexcept { return leftover_; }

 private:
  [[nodiscard]] job make(operation what, duration delay = {}) const;
  std::optional<job> after_abort(const outcome& result);
  std::optional<job> look();
  std::optional<job> after_look(const outcome& seen);

  std::shared_ptr<const object> target_;
  remains what_;
  unsigned aborts_ = 0;
  unsigned looks_ = 0;
  std::string leftover_;
};

}  // namespace nbdstream::s3
#endif
