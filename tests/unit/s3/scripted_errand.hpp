// SPDX-License-Identifier: BSD-3-Clause
//
// A network whose answers a test writes beforehand, and which keeps what it was asked.
#ifndef NBDSTREAM_TESTS_UNIT_S3_SCRIPTED_ERRAND_HPP
#define NBDSTREAM_TESTS_UNIT_S3_SCRIPTED_ERRAND_HPP

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "s3/errand.hpp"

namespace nbdstream::s3 {

class scripted_errand : public errand {
 public:
  std::deque<exchange> answers;  ///< the last one is given again and again
  std::vector<http_request> asked;
  std::vector<duration> rests;
  unsigned slowed = 0;
  unsigned stop_after = UINT32_MAX;  ///< requests

  void answer(int status, std::string body = {}, fields headers = {}) {
    exchange x;
    x.what = exchange::kind::answered;
    x.answer = {status, std::move(headers), std::move(body)};
    x.sent = true;
    answers.push_back(std::move(x));
  }
  void answer_error(int status, const std::string& code, const std::string& more = {},
                    fields headers = {}) {
    answer(status, "<Error><Code>" + code + "</Code>" + more + "</Error>", std::move(headers));
  }
  void give_no_answer(exchange::kind what = exchange::kind::unanswered) {
    exchange x;
    x.what = what;
    x.why = "nobody is there";
    answers.push_back(std::move(x));
  }

  /// As if it was new.
  void forget() {
    answers.clear();
    asked.clear();
    rests.clear();
    slowed = 0;
  }

  /// A header of a request; empty: there is none.
  [[nodiscard]] std::string header(std::size_t request, std::string_view name) const {
    for (const auto& [known, value] : asked.at(request).headers)
      if (known == name) return value;
    return {};
  }

  exchange perform(const http_request& request) override {
    asked.push_back(request);
    exchange x = answers.front();
    if (answers.size() > 1) answers.pop_front();
    return x;
  }
  [[nodiscard]] bool stopped() const override { return asked.size() >= stop_after; }
  void rest(duration time) override { rests.push_back(time); }
  void slow_down() override { ++slowed; }
  double chance() override { return 1; }
};

}  // namespace nbdstream::s3
#endif
