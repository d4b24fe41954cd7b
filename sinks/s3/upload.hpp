// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_UPLOAD_HPP
#define NBDSTREAM_SINKS_S3_UPLOAD_HPP

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "completion.hpp"
#include "job.hpp"
#include "removal.hpp"

namespace nbdstream::s3 {

/// One stream on its way to one object: what happens comes in, what is to be done goes out. It
/// waits for nothing and knows no network. Up to one part it is a single PUT, beyond that a
/// multipart upload.
class upload {
 public:
  enum class state {
    open,
    committing,
    committed,
    failed,  ///< error() says why; it is to be aborted
    aborting,
    aborted  ///< nothing of it is left, but for leftover()
  };

  /// `name`: of the object, for messages; `patience`: how long a completion whose outcome is not
  /// known is repeated.
  upload(std::shared_ptr<const object> target, std::string name, duration patience);

  /// A part behind which more of the stream comes.
  void part(payload body);
  /// The stream is complete: `last` is the rest of it, `length` all of it.
  void finish(payload last, std::uint64_t length, time_point now);
  /// In each state; also when it was just committed and the host has not been told.
  void abort();
  /// What has come of a job, for each exactly once.
  void done(const job& which, const outcome& result, time_point now);

  /// What is to be done now, each exactly once.
  std::vector<job> take_jobs();

  [[nodiscard]] state now() const noexcept { return state_; }
  [[nodiscard]] const failure& error() const noexcept { return error_; }
  [[nodiscard]] std::size_t parts() const noexcept { return parts_.size(); }
  /// Those of them that the server has.
  [[nodiscard]] std::size_t stored() const noexcept { return stored_; }
  [[nodiscard]] const std::string& upload_id() const noexcept { return upload_id_; }
  [[nodiscard]] const object& target() const noexcept { return *target_; }

  /// Whether there may be another multipart upload, without parts: the answer that has its
  /// identifier was lost.
  [[nodiscard]] bool lost_another() const noexcept { return lost_another_; }

  /// Of what is committed.
  [[nodiscard]] const completion& committed() const noexcept { return *completion_; }
  /// Why an abort may have left something there; empty: it has not.
  [[nodiscard]] const std::string& leftover() const noexcept { return leftover_; }

 private:
  [[nodiscard]] job make(operation what) const;
  void emit(job j);
  void emit_part(payload body);
  void fail(int error, const std::string& text);
  void give_up_transfers();
  void send_waiting();
  void after_transfer(const job& which, const outcome& result, time_point now);
  void complete_if_all_stored(time_point now);
  void go_on_completing(const outcome& result, time_point now);
  void begin_removal();
  void go_on_removing(std::optional<job> next);

  std::shared_ptr<const object> target_;
  std::string name_;
  duration patience_;
  state state_ = state::open;
  failure error_;
  std::vector<job> jobs_;    ///< to be taken
  std::size_t running_ = 0;  ///< those, and those that were taken and are not done
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);

  std::string upload_id_;
  std::vector<stored_part> parts_;
  std::size_t stored_ = 0;
  std::uint64_t length_ = 0;  ///< of all parts
  std::vector<job> waiting_;  ///< parts that came before the upload had its identifier
  payload whole_;             ///< all of a stream of one part

  std::optional<completion> completion_;
  std::optional<removal> removal_;
  remains remains_;
  std::string leftover_;
  bool lost_another_ = false;
};

}  // namespace nbdstream::s3
#endif
