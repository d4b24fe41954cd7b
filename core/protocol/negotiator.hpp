// SPDX-License-Identifier: BSD-3-Clause
//
// The handshake, as a machine without I/O: bytes in, bytes and decisions out
// (doc/proto.md, "Newstyle negotiation", "Fixed newstyle negotiation", "Option types").
#ifndef NBDSTREAM_PROTOCOL_NEGOTIATOR_HPP
#define NBDSTREAM_PROTOCOL_NEGOTIATOR_HPP

#include "protocol/terms.hpp"
#include "protocol/wire.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::protocol {

/// What a client may learn of an export.
struct export_info {
  std::string name;         ///< UTF-8, at most max_string bytes
  std::string description;  ///< for people; may be empty
  std::uint64_t size = 0;   ///< bytes
  std::uint16_t flags = 0;  ///< transmission_flag::*, but for those that depend on the handshake
};

/// Whether clients may, or must, turn to TLS ("TLS support": NOTLS, SELECTIVETLS, FORCEDTLS).
enum class tls_policy { off, on, require };

/// One handshake. Drive it thus, until state() is no longer `talking`:
/// send output(), read exactly wants() bytes, give them to receive(). What output() holds when it
/// ends is still to be sent.
class negotiator {
 public:
  enum class state {
    talking,       ///< send output(), then read on
    starttls,      ///< send output(); then make the connection secure, and call secured()
    transmission,  ///< send output(); then the transmission phase of chosen()
    finished,      ///< send output(), then close: the client said goodbye, as it may
    violated,      ///< send output(), then close: the client broke the protocol, see why()
  };

  /// `exports` are borrowed and may change between calls, but not move.
  explicit negotiator(std::span<const export_info> exports, tls_policy tls = tls_policy::off);

  [[nodiscard]] state current() const noexcept { return state_; }

  /// How many bytes the next receive() takes: 1 or more, at most max_option_payload.
  [[nodiscard]] std::size_t wants() const noexcept { return wants_; }

  /// Takes exactly wants() bytes. State: talking.
  void receive(bytes in);

  /// The connection is inside TLS now: nothing that was negotiated before counts. State: starttls.
  void secured();

  /// What is to be sent. The caller empties it with clear().
  [[nodiscard]] std::vector<std::byte>& output() noexcept { return output_; }

  /// From now on no export can be had: an option that asks for one is refused with `reply` (one of
  /// option_reply::err_*) and `text`, until the gate is opened again with nothing.
  struct refusal {
    option_reply reply;
    std::string text;
  };
  void set_gate(std::optional<refusal> closed) { gate_ = std::move(closed); }

  /// The index of the export that the client chose. State: transmission.
  [[nodiscard]] std::size_t chosen() const noexcept { return chosen_; }

  /// What was agreed on for it. State: transmission.
  [[nodiscard]] terms agreed() const noexcept { return terms_for(chosen_); }

  /// For the log, where the state is `violated`.
  [[nodiscard]] std::string_view why() const noexcept { return why_; }

 private:
  enum class expecting { client_flags, option_header, option_payload, skipped_payload };

  void receive_client_flags(reader in);
  void receive_option_header(reader in);
  void receive_option(bytes payload);
  void expect_option() noexcept;

  [[nodiscard]] bool needs_tls_first() const noexcept;
  void starttls(bytes payload);
  void export_name(bytes payload);
  void list(bytes payload);
  void info_or_go(bytes payload);
  void describe(std::size_t index, std::span<const std::uint16_t> asked);
  void agree_on(form wanted, bytes payload);

  // Metadata contexts.
  struct meta_question {
    std::size_t of;   ///< an export
    bool all;         ///< no query, or one for all of `base:`
    bool allocation;  ///< one for base:allocation
  };
  void list_meta_context(bytes payload);
  void set_meta_context(bytes payload);
  [[nodiscard]] std::optional<meta_question> read_meta_question(bytes payload);
  void reply_allocation(std::uint32_t id);

  [[nodiscard]] std::uint32_t largest_payload() const noexcept;
  [[nodiscard]] terms terms_for(std::size_t index) const noexcept;

  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const noexcept;
  writer begin_reply(option_reply type, std::size_t length);
  /// Says that no export has the name that was asked for.
  void refuse_name(std::string_view name);
  void reply_error(option_reply type, std::string_view text);
  void violate(std::string_view why) noexcept;

  std::span<const export_info> exports_;
  tls_policy tls_;
  bool secured_ = false;
  std::optional<refusal> gate_;
  std::vector<std::byte> output_;
  state state_ = state::talking;
  expecting expecting_ = expecting::client_flags;
  std::size_t wants_ = 4;
  std::uint32_t client_flags_ = 0;
  std::uint32_t option_ = 0;   ///< the one being received; raw, as replies repeat it
  std::uint32_t to_skip_ = 0;  ///< bytes of an oversized payload that are still to come
  std::size_t options_seen_ = 0;
  std::size_t chosen_ = 0;
  form reply_form_ = form::simple;
  std::optional<std::size_t> allocation_of_;  ///< the export that base:allocation was chosen for
  std::string_view why_;
};

}  // namespace nbdstream::protocol
#endif
