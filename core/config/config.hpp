// SPDX-License-Identifier: BSD-3-Clause
//
// The whole configuration as plain values. toml.cpp and cli.cpp both fill these structures, and
// dump.cpp writes them back as TOML; nothing else of the program knows where a value came from.
#ifndef NBDSTREAM_CONFIG_CONFIG_HPP
#define NBDSTREAM_CONFIG_CONFIG_HPP

#include "log/log.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace nbdstream::config {

using std::chrono::nanoseconds;

/// What an export without `--size` shows: the largest size that QEMU opens, in bytes.
inline constexpr std::uint64_t unknown_size = (std::uint64_t{1} << 63) - (std::uint64_t{1} << 30);

enum class order_mode { automatic, strict, window, spill, spool };
enum class gaps_policy { allow, refuse };
enum class stream_format { raw, rbd_diff };
enum class data_path { automatic, copy };
enum class tls_mode { off, on, require };
enum class end_policy { goodbye, told };
enum class digest_algorithm { sha256, blake2b, xxh3 };

/// One `KEY=VALUE` of a sink, as the user wrote it.
struct sink_setting {
  std::string key;
  std::string value;
  std::string where;        ///< "file.toml:3:7" or "--option"; begins an error message
  std::string number = {};  ///< in a file, a whole number without quotes: as it stands, "0o640"

  /// Where a setting was written is not part of what it says.
  bool operator==(const sink_setting& other) const {
    return key == other.key && value == other.value;
  }
};

struct sink_config {
  std::string module = "fifo";          ///< a module's name, or with a '/' the path of a .so
  std::optional<std::string> argument;  ///< for the module's positional option
  std::vector<sink_setting> settings;
  std::string where = "--sink";  ///< as sink_setting::where

  bool operator==(const sink_config& other) const {
    return module == other.module && argument == other.argument && settings == other.settings;
  }
};

struct export_config {
  std::string name;
  std::string description;
  std::optional<std::uint64_t> size;                   ///< bytes
  std::uint64_t max_stream = std::uint64_t{64} << 40;  ///< bytes; only without `size`
  order_mode order = order_mode::automatic;            ///< see effective_order()
  std::uint64_t window = std::uint64_t{64} << 20;      ///< bytes of RAM for what is ahead
  nanoseconds stall = std::chrono::seconds(2);         ///< how long a full window waits for its gap
  std::string spill_directory;                         ///< empty: see effective_spill_directory()
  std::optional<std::uint64_t> spill_limit;            ///< bytes; none: only the disk limits it
  std::optional<gaps_policy> gaps;  ///< none: SPEC's default, see effective_gaps()
  bool pad = true;                  ///< false: --no-pad
  stream_format format = stream_format::raw;
  std::optional<std::string> diff_from;       ///< rbd_diff: a snapshot; none: a full one
  std::optional<std::string> diff_to;         ///< rbd_diff: a snapshot
  std::optional<std::uint64_t> expect_bytes;  ///< with diff_from: so many must be named
  std::uint64_t streams = 1;                  ///< 0: for ever
  nanoseconds settle = std::chrono::seconds(1);
  end_policy end = end_policy::goodbye;  ///< who says that a stream is complete
  std::string receipt;                   ///< a file that describes a committed stream; empty: none
  std::optional<digest_algorithm> digest;  ///< of the stream; none: see effective_digest()
  std::optional<int> zstd_level;  ///< compress it, as zstd(1) with this level; none: do not
  sink_config sink;

  bool operator==(const export_config&) const = default;
};

struct listen_address {
  enum class kind { unix_path, private_unix, abstract_unix, tcp, vsock };
  kind what = kind::private_unix;
  std::string path;            ///< unix_path; abstract_unix: the name, without '@'
  std::string host;            ///< tcp: numeric address or name, without brackets
  std::uint32_t port = 10809;  ///< tcp, vsock

  bool operator==(const listen_address&) const = default;
};

struct server_config {
  std::vector<listen_address> listen;
  std::optional<std::uint32_t> unix_mode;  ///< permissions of unix_path; none: what umask leaves
  bool single = false;
  std::string run;                    ///< command for run_shell; empty: none
  std::string run_shell = "/bin/sh";  ///< a path
  nanoseconds run_grace = std::chrono::seconds(10);
  nanoseconds grace = std::chrono::seconds(5);  ///< between asking something to end and forcing it
  nanoseconds handshake_timeout = std::chrono::seconds(10);
  nanoseconds payload_timeout = std::chrono::seconds(60);
  std::optional<nanoseconds> client_timeout;  ///< within which a client's first write must come
  config::data_path path = data_path::automatic;
  std::optional<tls_mode> tls;   ///< none: see effective_tls()
  std::string tls_certificates;  ///< a directory; empty: where nbdkit looks
  std::string tls_psk;           ///< a file; counts more than certificates
  bool tls_verify_peer = false;
  std::string pidfile;
  bool exit_with_parent = false;
  bool progress = false;           ///< for people, on stderr
  std::optional<int> progress_fd;  ///< for programs: where lines of N/100 go; none: nowhere
  std::string control;             ///< path of the control socket; empty: none
  std::uint32_t control_mode = 0600;
  std::optional<listen_address> metrics;  ///< where the read-only part of it is, over TCP
  std::string metrics_file;               ///< metrics for node_exporter; empty: none
  std::optional<log::target> log_to;      ///< none: the journal where stderr is connected to it
  log::level log_level = log::level::info;
  log::format log_format = log::format::text;

  bool operator==(const server_config&) const = default;
};

struct configuration {
  server_config server;
  std::vector<export_config> exports;  ///< at least one once it is complete

  bool operator==(const configuration&) const = default;
};

/// Whether clients may, or must, use TLS: what the user said, or else on where there is something
/// to do it with.
[[nodiscard]] inline tls_mode effective_tls(const server_config& s) {
  if (s.tls) return *s.tls;
  return s.tls_certificates.empty() && s.tls_psk.empty() ? tls_mode::off : tls_mode::on;
}

/// Whether bytes that nobody named break no stream of `e`: what the user said, or else
/// refuse where a size is given, and neither a command's exit status nor --end told decides.
[[nodiscard]] inline gaps_policy effective_gaps(const export_config& e, const server_config& s) {
  if (e.gaps) return *e.gaps;
  if (e.order == order_mode::spool || e.diff_from || e.end == end_policy::told) {
    return gaps_policy::allow;
  }
  return e.size && s.run.empty() ? gaps_policy::refuse : gaps_policy::allow;
}

/// Of a stream with a receipt: what the user said, or else SHA-256.
[[nodiscard]] inline std::optional<digest_algorithm> effective_digest(const export_config& e) {
  if (e.digest || e.receipt.empty()) return e.digest;
  return digest_algorithm::sha256;
}

/// Whether anybody may look at how fast streams are.
[[nodiscard]] inline bool is_watched(const server_config& s) {
  return s.progress || s.progress_fd || !s.control.empty() || s.metrics || !s.metrics_file.empty();
}

/// How writes out of order are taken, never automatic: what the user said, or else spill, in which
/// no pause of a client or of its source makes a stream fail.
[[nodiscard]] inline order_mode effective_order(const export_config& e) {
  return e.order == order_mode::automatic ? order_mode::spill : e.order;
}

/// Where the file of spill and spool goes: what the user said, or else $TMPDIR, or else /var/tmp.
[[nodiscard]] std::string effective_spill_directory(const export_config& e);

/// A configuration that cannot be used: one line for the user, naming the thing, what is wrong
/// with it, and what to do. Leads to exit status 2.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace nbdstream::config
#endif
