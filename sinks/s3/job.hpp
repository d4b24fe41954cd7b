// SPDX-License-Identifier: BSD-3-Clause
//
// What an upload wants to be done, and what has come of it.
#ifndef NBDSTREAM_SINKS_S3_JOB_HPP
#define NBDSTREAM_SINKS_S3_JOB_HPP

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace nbdstream::s3 {

using clock = std::chrono::steady_clock;
using duration = clock::duration;
using time_point = clock::time_point;

enum class operation {
  probe,     ///< look whether the bucket can be used, before any stream
  create,    ///< begin a multipart upload
  part,      ///< send one part of it
  put,       ///< send a small object in one request
  complete,  ///< make the parts an object
  look,      ///< is the object there, and whose is it?
  get,       ///< read a range of the object
  abort,     ///< give the multipart upload up
  remove     ///< remove the object
};

/// The bytes of a part or an object. They stay as they are, for as long as anybody holds them.
struct payload {
  std::shared_ptr<const std::byte> bytes;  ///< none: they are all zero
  std::size_t size = 0;

  [[nodiscard]] bool zeroes() const noexcept { return !bytes; }
  [[nodiscard]] std::span<const std::byte> span() const noexcept { return {bytes.get(), size}; }
};

/// Why something failed, for the host: errno, and a sentence for the user.
struct failure {
  int error = 0;
  std::string text;
};

/// A part that the server has acknowledged.
struct stored_part {
  std::string etag;
  std::string sha256;  ///< in base64, as the server has it; empty: no such checksum was sent
};

/// What requests of one stream have in common.
struct object {
  std::string key;
  std::string nonce;  ///< 32 hexadecimal digits, of this stream alone, by which we know our object
  bool overwrite = false;
};

/// Bytes of an object, of that one of its versions which has this ETag.
struct range {
  std::uint64_t begin = 0;
  std::uint64_t length = 0;  ///< 1 or more
  std::uint64_t whole = 0;   ///< the length of the object
  std::string etag;
};

struct job {
  operation what{};
  std::shared_ptr<const object> target;
  unsigned number = 0;             ///< of a part: 1, 2, ...
  payload body;                    ///< of a part, or of an object that is put
  std::string upload_id;           ///< of what belongs to a multipart upload
  std::vector<stored_part> parts;  ///< to complete
  std::string version;             ///< to remove; empty: whatever is there
  range wanted;                    ///< to get
  unsigned tries = 0;      ///< how often this was asked before: it is not asked again at once
  duration least_delay{};  ///< before it is begun
  duration patience{};     ///< how long it is repeated; 0: as the settings say
  std::shared_ptr<const std::atomic<bool>> stop;  ///< set: it is not wanted any more; none: it is
};

struct outcome {
  enum class kind {
    done,
    absent,     ///< there is no such object, or no such upload
    exists,     ///< an object is there already
    conflict,   ///< somebody else writes the same object
    forbidden,  ///< of a look: these credentials, or this server, do not allow it
    doubtful,   ///< it may have been done, or not; only of put and complete
    failed,
    cancelled  ///< it was called back before it can have been done
  };
  kind what = kind::failed;
  failure why;               ///< of all but done
  std::string upload_id;     ///< of create
  stored_part part;          ///< of part, put, complete, look: the ETag
  std::string version;       ///< of put, complete, look
  std::string location;      ///< of complete
  std::string nonce;         ///< of look
  std::uint64_t length = 0;  ///< of look
  std::string bytes;         ///< of get: all that were wanted
  duration retry_after{};    ///< what the server has asked for
  bool answer_lost = false;  ///< of some attempt: it may have been done more often than is known
};

}  // namespace nbdstream::s3
#endif
