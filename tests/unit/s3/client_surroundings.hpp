// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of a client share: credentials, and settings that name an object of a server.
#ifndef NBDSTREAM_TESTS_UNIT_S3_CLIENT_SURROUNDINGS_HPP
#define NBDSTREAM_TESTS_UNIT_S3_CLIENT_SURROUNDINGS_HPP

#include "s3/settings.hpp"
#include "scripted_errand.hpp"
#include "surroundings.hpp"

namespace nbdstream::s3 {

class client_surroundings : public surroundings {
 protected:
  void SetUp() override {
    surroundings::SetUp();
    set("AWS_ACCESS_KEY_ID", "AK");
    set("AWS_SECRET_ACCESS_KEY", "SK");
    how.name = {"bucket", "key"};
    how.at = parse_endpoint("http://host:9000");
    how.own_endpoint = true;
    how.region = "us-east-1";
    how.profile = "default";
    how.retry_timeout = std::chrono::minutes(15);
    how.stall_timeout = std::chrono::seconds(60);
    how.learn_checksum = true;
  }

  settings how;
  scripted_errand net;
};

}  // namespace nbdstream::s3
#endif
