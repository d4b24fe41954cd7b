// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_TRANSPORT_HPP
#define NBDSTREAM_SINKS_S3_TRANSPORT_HPP

#include <functional>
#include <memory>
#include <string>

#include "job.hpp"
#include "reply.hpp"
#include "sign.hpp"

namespace nbdstream::s3 {

struct http_request {
  std::string method;
  std::string url;
  fields headers;
  payload body;      ///< only of PUT and POST, which always have one, also an empty one
  duration stall{};  ///< without a byte in either direction; 0: any time
  duration total{};  ///< 0: any time
  std::size_t longest_answer = 64 << 10;        ///< bytes of a body; a longer one is no answer
  duration connect = std::chrono::seconds(10);  ///< look-up, TCP and TLS
  bool direct = false;                          ///< never by a proxy
};

/// What has come of a request.
struct exchange {
  enum class kind {
    answered,
    unanswered,  ///< no answer, or not all of it: nobody knows whether the request has arrived
    untrusted,   ///< the server's certificate, or what is needed to check one, is not good
    stopped
  };
  kind what = kind::unanswered;
  reply answer;
  std::string why;    ///< where it is not answered
  bool sent = false;  ///< all of it has left us, so the server may do what it was asked for
};

/// HTTP/1.1, one request at a time, over connections that stay open for the next. Never follows a
/// redirection. For one thread, but for wake().
class transport {
 public:
  /// `ca_file`: certificates to trust in place of the system's; empty: those.
  explicit transport(std::string ca_file);
  ~transport();
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;

  /// Whether a request is not wanted any more; `sent`: all of its body has left us.
  using stop_question = std::function<bool(bool sent)>;

  /// Blocks. The question is asked again after each wake(), and every second.
  exchange perform(const http_request& request, const stop_question& stopped);

  /// From any thread: what runs asks whether it is stopped.
  void wake() noexcept;

  /// Closes the connections that are kept. Not during wake().
  void close() noexcept;

 private:
  struct handles;
  std::unique_ptr<handles> handles_;
  std::string ca_file_;
};

/// Once in a process, before its first transport.
void prepare_transports();

}  // namespace nbdstream::s3
#endif
