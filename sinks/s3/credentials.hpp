// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_CREDENTIALS_HPP
#define NBDSTREAM_SINKS_S3_CREDENTIALS_HPP

#include <condition_variable>
#include <ctime>
#include <mutex>
#include <optional>
#include <string>

#include "errand.hpp"
#include "lease.hpp"
#include "profile.hpp"
#include "sign.hpp"

namespace nbdstream::s3 {

/// Where credentials come from, in the order of AWS's own tools: the environment, the files of a
/// profile, a command that it names, the service of a container, and that of a virtual machine.
/// They are kept as long as they are good. For any thread; one of them renews, and the others go on
/// with what there is as long as that is good.
class credential_source {
 public:
  credential_source(profile_files files, bool prefer_profile);

  /// Throws sink_error where there are none. May take some seconds.
  credentials current(errand& by);

  /// A server does not take these any more: whether there are others now.
  bool replace(const credentials& refused, errand& by);

 private:
  lease find(errand& by) const;
  void renew(std::unique_lock<std::mutex>& lock, errand& by, bool good);

  const profile_files files_;
  const bool prefer_profile_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<lease> known_;
  std::string version_;  ///< of the files, when they were read
  bool renewing_ = false;
  std::time_t not_before_ = 0;  ///< it is tried again, as it has failed
};

}  // namespace nbdstream::s3
#endif
