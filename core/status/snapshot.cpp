// SPDX-License-Identifier: BSD-3-Clause
#include "status/snapshot.hpp"

namespace nbdstream::status {

std::string_view name_of(state s) {
  switch (s) {
    case state::waiting_for_client: return "waiting for a client";
    case state::waiting_for_reader: return "waiting for the reader";
    case state::streaming: return "streaming";
    case state::waiting_for_gap: return "waiting for a gap to be filled";
    case state::spooling: return "spooling";
    case state::waiting_for_connections: return "waiting for connections";
    case state::waiting_for_decision: return "waiting to be told";
    case state::committing: return "committing";
    case state::aborting: return "aborting";
    case state::stuck: return "stuck in the sink";
    case state::ended: return "ended";
  }
  return "ended";
}

std::string_view word_for(state s) {
  switch (s) {
    case state::waiting_for_client: return "waiting_for_client";
    case state::waiting_for_reader: return "waiting_for_reader";
    case state::streaming: return "streaming";
    case state::waiting_for_gap: return "waiting_for_gap";
    case state::spooling: return "spooling";
    case state::waiting_for_connections: return "waiting_for_connections";
    case state::waiting_for_decision: return "waiting_for_decision";
    case state::committing: return "committing";
    case state::aborting: return "aborting";
    case state::stuck: return "stuck";
    case state::ended: return "ended";
  }
  return "ended";
}

}  // namespace nbdstream::status
