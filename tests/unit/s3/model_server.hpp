// SPDX-License-Identifier: BSD-3-Clause
//
// A server of S3 as an upload sees it, without a network: it does the jobs, and can fail at any.
#ifndef NBDSTREAM_TESTS_UNIT_S3_MODEL_SERVER_HPP
#define NBDSTREAM_TESTS_UNIT_S3_MODEL_SERVER_HPP

#include <cerrno>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "s3/upload.hpp"

namespace nbdstream::s3 {

struct model_server {
  struct stored {
    std::string nonce;
    std::uint64_t length;
  };
  std::optional<std::map<unsigned, std::uint64_t>> parts;  ///< of the upload that is open
  std::optional<stored> object;
  bool conditional = true;  ///< knows If-None-Match
  std::map<operation, int> asked;

  static outcome of(outcome::kind what, const std::string& why = "") {
    outcome out;
    out.what = what;
    out.why = {EIO, why};
    return out;
  }

  outcome look() const {
    if (!object) return of(outcome::kind::absent);
    outcome seen = of(outcome::kind::done);
    seen.nonce = object->nonce;
    seen.length = object->length;
    seen.version = "v1";
    return seen;
  }

  outcome make_object(const job& j, std::uint64_t length) {
    if (object && conditional && !j.target->overwrite) return of(outcome::kind::exists);
    object = stored{j.target->nonce, length};
    outcome made = of(outcome::kind::done);
    made.part.etag = "\"e\"";
    return made;
  }

  outcome complete(const job& j) {
    if (!parts) return of(outcome::kind::absent, "the upload is gone");
    std::uint64_t length = 0;
    for (const auto& [number, size] : *parts) length += size;
    if (parts->size() != j.parts.size()) return of(outcome::kind::failed, "InvalidPart");
    outcome made = make_object(j, length);
    if (made.what == outcome::kind::done) parts.reset();
    return made;
  }

  outcome serve(const job& j) {
    ++asked[j.what];
    outcome good = of(outcome::kind::done);
    switch (j.what) {
      case operation::create:
        parts.emplace();
        good.upload_id = "id";
        return good;
      case operation::part:
        if (!parts) return of(outcome::kind::absent, "the upload is gone");
        (*parts)[j.number] = j.body.size;
        good.part.etag = "\"" + std::to_string(j.number) + "\"";
        return good;
      case operation::put: return make_object(j, j.body.size);
      case operation::complete: return complete(j);
      case operation::look: return look();
      case operation::abort:
        if (!parts) return of(outcome::kind::absent);
        parts.reset();
        return good;
      case operation::remove: object.reset(); return good;
      case operation::get:
      case operation::probe: break;
    }
    return of(outcome::kind::failed, "nobody asks that");
  }
};

}  // namespace nbdstream::s3
#endif
