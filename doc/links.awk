# A document as it is installed: its links lead to where their targets are installed. A link to what is
# not installed becomes its text.
#
#   awk -v from=PATH-IN-THE-SOURCES -v to=PATH-UNDER-THE-PREFIX -v docs=DIR -v include=DIR -v cmake=DIR
#
# The last three are directories under the prefix: of documents, headers, and files for CMake.

# Where a file of the sources is installed; "" if it is not.
function place(path,    name) {
  name = path
  sub(/.*\//, "", name)
  if (path == "README.md") return docs "/" name
  if (path ~ /^doc\/guide(\/.*)?$/) return docs substr(path, 4)
  if (path ~ /^doc\/[^\/]*[.](svg|png|json)$/) return docs "/" name
  if (path ~ /^doc\/examples(\/.*)?$/) return docs substr(path, 4)
  if (path ~ /^packaging\/.*[.](env|yaml|toml)$/) return docs "/examples/" name
  if (path ~ /^packaging\/.*[.](service[.]in|socket|timer|slice)$/) {
    sub(/[.]in$/, "", name)
    return "lib/systemd/system/" name
  }
  if (path == "sinks/README.md") return docs "-dev/" name
  if (path == "sinks/medium/retry.hpp") return docs "/examples/sinks/" name
  if (path ~ /^sinks\/template(\/.*)?$/) return docs "/examples/sinks" substr(path, 15)
  if (path ~ /^core\/include\//) return include substr(path, 13)
  if (path == "cmake/sink_exports.map") return cmake "/" name
  return ""
}

# The same path without . and ..
function normal(path,    parts, n, i, kept, out) {
  n = split(path, parts, "/")
  kept = 0
  for (i = 1; i <= n; i++) {
    if (parts[i] == "..") kept--
    else if (parts[i] != "." && parts[i] != "") parts[++kept] = parts[i]
  }
  for (i = 1; i <= kept; i++) out = out (i > 1 ? "/" : "") parts[i]
  return out
}

# The way from the directory of the file `here` to `there`.
function relative(here, there,    a, b, n, m, i, j, out) {
  n = split(here, a, "/")
  m = split(there, b, "/")
  for (i = 1; i < n && i < m && a[i] == b[i]; i++) continue
  for (j = i; j < n; j++) out = out "../"
  for (j = i; j <= m; j++) out = out b[j] (j < m ? "/" : "")
  return out
}

# What a link becomes; "" if it leads nowhere.
function resolved(link,    path, anchor, directory, target) {
  if (link ~ /^([a-z]+:|#)/) return link
  path = anchor = link
  sub(/#.*/, "", path)
  if (!sub(/^[^#]*#/, "#", anchor)) anchor = ""
  directory = from
  if (!sub(/[^\/]*$/, "", directory)) directory = ""
  target = place(normal(directory path))
  return target == "" ? "" : relative(to, target) anchor
}

{ text = text $0 "\n" }

END {
  while (match(text, /\[[^][]*\]\([^()]*\)|src="[^"]*"/)) {
    found = substr(text, RSTART, RLENGTH)
    before = substr(text, 1, RSTART - 1)
    text = substr(text, RSTART + RLENGTH)
    if (found ~ /^src=/) {
      link = resolved(substr(found, 6, length(found) - 6))
      out = out before "src=\"" link "\""
      continue
    }
    split_at = index(found, "](")
    link = resolved(substr(found, split_at + 2, length(found) - split_at - 2))
    label = substr(found, 1, split_at)
    if (link != "") out = out before label "(" link ")"
    else {
      sub(/!$/, "", before)
      out = out before substr(label, 2, length(label) - 2)
    }
  }
  printf "%s", out text
}
