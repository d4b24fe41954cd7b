// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_CLIENT_HPP
#define NBDSTREAM_SINKS_S3_CLIENT_HPP

#include <nbdstream/sink.h>
#include <mutex>
#include <string>

#include "attempts.hpp"
#include "credentials.hpp"
#include "errand.hpp"
#include "job.hpp"
#include "request.hpp"
#include "settings.hpp"
#include "trouble.hpp"

namespace nbdstream::s3 {

/// Does jobs: signs requests, repeats them, and makes an outcome of the answers. What it learns of
/// the server by one (that the clocks differ, say) it knows for the next. For any thread.
class client {
 public:
  client(settings s, log_function log);

  /// Blocks, for as long as the request may be repeated, or until `by` is called back. A request
  /// whose outcome is not known is not repeated where it makes an object.
  outcome run(errand& by, const job& j);

  [[nodiscard]] const settings& configuration() const noexcept { return settings_; }
  /// How the server is reached now.
  [[nodiscard]] request_mode how() const;

 private:
  struct attempt;

  judgement try_once(errand& by, const job& j, attempt& one);
  [[nodiscard]] bool mend(errand& by, const attempt& one, const judgement& why, attempts& tried);
  bool correct_clock(const attempt& one);
  bool go_where_it_is(const attempt& one, const judgement& why);
  [[nodiscard]] std::string described(const job& j, const std::string& text) const;
  outcome ended(const job& j, attempt& one, const judgement& why) const;

  const settings settings_;
  credential_source credentials_;
  trouble trouble_;
  summer summer_;
  mutable std::mutex mutex_;
  request_mode mode_;
};

}  // namespace nbdstream::s3
#endif
