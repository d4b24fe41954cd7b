// SPDX-License-Identifier: BSD-3-Clause
//
// The sink s3 at the end of a stream, when the server's reply is lost, cut or wrong: the exit
// status agrees with the object.
#include "support/s3_test.hpp"

#include <ostream>

namespace nbdstream::test {
namespace {

enum class then { whole, nothing, rival };

struct ending_case {
  std::string name;
  std::string rules;  ///< JSON
  then expected = then::whole;
  arguments server = {};    ///< its options
  arguments settings = {};  ///< of the sink
  std::string why = {};     ///< what the log says
  std::uint64_t size = 12 * MiB;
};

void PrintTo(const ending_case& it, std::ostream* out) {
  *out << it.name;
}

class S3Commit : public s3_test, public ::testing::WithParamInterface<ending_case> {};

/// Either the object is whole and the exit status is 0, or neither. No upload is left.
TEST_P(S3Commit, ExitStatusAgreesWithObject) {
  const auto& it = GetParam();
  start_faulty_server(it.rules, it.server);
  make_disk(it.size);
  arguments settings{it.expected == then::whole ? "retry-timeout=10s" : "retry-timeout=3s",
                     "stall-timeout=2s"};
  settings.insert(settings.end(), it.settings.begin(), it.settings.end());
  const result ended = upload(to_bucket(settings));
  EXPECT_TRUE(ended_with(it.expected == then::whole ? 0 : 1, ended));
  EXPECT_TRUE(mentions(ended.err, it.why));
  EXPECT_GT(logged({"\"fault\""}), 0U) << "the rules were never applied";
  if (it.expected == then::whole) {
    expect_whole_object();
    EXPECT_EQ(count_of("error", ended.err), 0U) << ended.err;
  } else if (it.expected == then::rival) {
    EXPECT_TRUE(holds(object(), "rival"));
    EXPECT_EQ(open_uploads(), 0U);
  } else {
    expect_nothing_left();
  }
}

const std::string complete = R"([{"on": "CompleteMultipartUpload", )";
const std::string put = R"([{"on": "PutObject", )";

const ending_case of_complete[] = {
    {"ReplyLost", complete + R"("do": "lost", "times": 1}])"},
    {"RequestLost", complete + R"("do": "lost", "times": 1, "made": false}])"},
    {"ReplyLostThreeTimes", complete + R"("do": "lost", "times": 3}])"},
    {"RequestLostForEver", complete + R"("do": "lost", "made": false}])", then::nothing},
    {"ErrorIn200", complete + R"("do": "broken", "times": 1}])"},
    {"ErrorIn200ThoughMade", complete + R"("do": "broken", "times": 1, "made": true}])"},
    {"ErrorIn200ForEver", complete + R"("do": "broken"}])", then::nothing, {}, {}, "InternalError"},
    {"DenialIn200",
     complete + R"("do": "broken", "code": "AccessDenied"}])",
     then::nothing,
     {},
     {},
     "AccessDenied"},
    {"ReplyCut", complete + R"("do": "cut", "bytes": 60, "times": 1}])"},
    {"ReplyCutAndNoLength",
     complete + R"("do": "cut", "bytes": 60, "length": false, "times": 1}])"},
    {"ReplyCutInItsLastTag",
     complete + R"("do": "cut", "bytes": 240, "length": false, "times": 1}])"},
    {"ReplyEmptyAndNoLength",
     complete + R"("do": "cut", "bytes": 0, "length": false, "times": 1}])"},
    {"SpacesBeforeTheReply", complete + R"("do": "trickle", "spaces": 30}])"},
    {"SpacesForLongerThanAStall", complete + R"("do": "trickle", "spaces": 120}])"},
    {"500Once", complete + R"("do": "error", "times": 1}])"},
    {"503ForEver",
     complete + R"("do": "error", "status": 503, "code": "SlowDown"}])",
     then::nothing,
     {},
     {},
     "SlowDown"},
    {"403",
     complete + R"("do": "error", "status": 403, "code": "AccessDenied"}])",
     then::nothing,
     {},
     {},
     "AccessDenied"},
    {"409",
     complete + R"("do": "error", "status": 409, "code": "ConditionalRequestConflict"}])",
     then::nothing,
     {},
     {},
     "409"},
    {"ReplyLostAndThenGone", R"([{"on": "CompleteMultipartUpload", "do": "lost", "times": 1},
       {"on": "CompleteMultipartUpload", "do": "error", "status": 404, "code": "NoSuchUpload"}])"},
    {"ReplyLostAndThenGoneLikeRgw", R"([{"on": "CompleteMultipartUpload", "do": "lost", "times": 1},
       {"on": "CompleteMultipartUpload", "do": "error", "status": 500}])"},
    {"ReplyLostAndThen412", R"([{"on": "CompleteMultipartUpload", "do": "lost", "times": 1},
       {"on": "CompleteMultipartUpload", "do": "error", "status": 412,
        "code": "PreconditionFailed"}])"},
    {"AbortedByAnotherClient", complete + R"("do": "vanish"}])", then::nothing},
    {"AbortedByAnotherClientLikeRgw",
     complete + R"("do": "vanish"}])",
     then::nothing,
     {"--gone", "500"}},
};
INSTANTIATE_TEST_SUITE_P(CompleteMultipartUpload, S3Commit, ::testing::ValuesIn(of_complete),
                         [](const auto& it) { return it.param.name; });

const ending_case of_others[] = {
    {"RivalJustBefore", complete + R"("do": "rival"}])", then::rival, {}, {}, "overwrite=true"},
    {"RivalThatIsReplaced", complete + R"("do": "rival"}])", then::whole, {}, {"overwrite=true"}},
    {"RivalBeforeTheLastLookWhereConditionsAreIgnored",
     R"([{"on": "HeadObject", "times": 1, "do": "rival"}])",
     then::rival,
     {"--no-conditions"},
     {},
     "overwrite=true"},
    {"LookingIsForbidden", R"([{"on": ["GetObject", "HeadObject"], "do": "error", "status": 403,
       "code": "AccessDenied"}])"},
    {"HeadIsNotImplemented", R"([{"on": "HeadObject", "do": "error", "status": 501,
       "code": "NotImplemented"}])"},
    {"HeadFailsAtFirst", R"([{"on": "HeadObject", "times": 2, "do": "error"}])"},
    {"HeadFailsAtTheEnd", R"([{"on": "HeadObject", "skip": 1, "do": "error"}])"},
};
INSTANTIATE_TEST_SUITE_P(RivalAndHeadObject, S3Commit, ::testing::ValuesIn(of_others),
                         [](const auto& it) { return it.param.name; });

const ending_case of_put[] = {
    {"ReplyLost", put + R"("do": "lost", "times": 1}])", then::whole, {}, {}, "", 4 * MiB},
    {"RequestLost",
     put + R"("do": "lost", "times": 1, "made": false}])",
     then::whole,
     {},
     {},
     "",
     4 * MiB},
    {"ReplyLostWhereConditionsAreIgnored",
     put + R"("do": "lost", "times": 1}])",
     then::whole,
     {"--no-conditions"},
     {},
     "",
     4 * MiB},
    {"ResetInTheBody",
     put + R"("do": "reset", "bytes": 1000000, "times": 1}])",
     then::whole,
     {},
     {},
     "",
     4 * MiB},
    {"503Once",
     put + R"("do": "error", "status": 503, "code": "SlowDown", "times": 1}])",
     then::whole,
     {},
     {},
     "",
     4 * MiB},
    {"403",
     put + R"("do": "error", "status": 403, "code": "AccessDenied"}])",
     then::nothing,
     {},
     {},
     "AccessDenied",
     4 * MiB},
    {"Rival", put + R"("do": "rival"}])", then::rival, {}, {}, "overwrite=true", 4 * MiB},
    {"RivalThatIsReplaced",
     put + R"("do": "rival"}])",
     then::whole,
     {},
     {"overwrite=true"},
     "",
     4 * MiB},
};
INSTANTIATE_TEST_SUITE_P(PutObject, S3Commit, ::testing::ValuesIn(of_put),
                         [](const auto& it) { return it.param.name; });

}  // namespace
}  // namespace nbdstream::test
