# awk -v program=NBDSTREAM -f page.awk SOURCE
#
# A manual page's source in scdoc(5), with what the program itself can say put in:
#   @options@            the options of --help, under its headings
#   @values@             what SIZE and TIME are
#   @exit status@        as --help lists them
#   @examples@           those of --help
#   @settings SINK@      the settings of a sink, of --dump-sink
#   @description SINK@   one line about it, within a line
#   @meaning OPTION@     what --help says about one option, within a line
#   @version@            within a line

function fail(why) {
  print FILENAME ": " why > "/dev/stderr"
  failed = 1
  exit 1
}

# Of a command's output, and only if there is any.
function read_lines(command, lines,    n) {
  while ((command | getline lines[n + 1]) > 0) n++
  if (close(command) != 0 || n == 0) fail("this failed: " command)
  return n
}

function quoted(word) { gsub(/'/, "'\\''", word); return "'" word "'" }

function escaped(text) { gsub(/[\\*_]/, "\\\\&", text); return text }

# Names of options and of manual pages are bold in running text.
function marked(text) {
  text = escaped(text)
  gsub(/--[a-z][a-z-]*[a-z]/, "*&*", text)
  gsub(/[a-z][a-z.-]*\([1-8]\)/, "*&*", text)
  return text
}

# "-o, --option KEY=VALUE", with bold and underline
function synopsis(text,    at, value) {
  gsub(/^ +/, "", text)
  if (match(text, /\[=[A-Z]+\]$/)) {
    value = substr(text, RSTART + 2, RLENGTH - 3)
    return "*" substr(text, 1, RSTART - 1) "*[=_" value "_]"
  }
  at = match(text, /--[a-z-]+ /) ? RSTART + RLENGTH - 1 : length(text) + 1
  value = substr(text, at + 1)
  text = substr(text, 1, at - 1)
  sub(/, /, "*, *", text)
  return "*" text "*" (value == "" ? "" : " _" escaped(value) "_")
}

function option_name(text) {
  match(text, /--[a-z-]+/)
  return substr(text, RSTART + 2, RLENGTH - 2)
}

function read_help(    lines, n, i, line, start, gap, name, part) {
  n = read_lines(quoted(program) " --help", lines)
  for (i = 1; i <= n; i++) {
    line = lines[i]
    if (line ~ /^(     |  -.,) --/) {
      part = "options"
      name = option_name(line)
      start = index(line, "--")
      gap = index(substr(line, start), "  ")
      if (!gap) gap = length(line)
      synopses[name] = synopsis(substr(line, 1, start + gap - 2 + (gap == length(line))))
      meanings[name] = substr(line, start + gap)
      order[++options] = name
      if (heading != "") headings[name] = heading
      heading = ""
    } else if (part == "options" && line ~ /^          /) {
      meanings[name] = meanings[name] " " line
    } else if (line ~ /^(Usage|Exit status|Examples):$/) {
      part = line
    } else if (line ~ /^[A-Z].*:$/) {
      heading = substr(line, 1, length(line) - 1)
    } else if (line ~ /^SIZE /) {
      part = "values"
      values = line
    } else if (part == "values" && line != "") {
      values = values " " line
    } else if (part == "Exit status:" && line ~ /^  [^ ]/) {
      statuses[++status] = line
    } else if (part == "Exit status:" && line != "") {
      statuses[status] = statuses[status] " " line
    } else if (part == "Examples:") {
      examples[++example] = line
    }
  }
  if (!options || values == "" || !status || !example) fail("--help is not as expected")
}

function squeezed(text) { gsub(/ +/, " ", text); sub(/^ /, "", text); sub(/ $/, "", text); return text }

function print_options(    i, name) {
  for (i = 1; i <= options; i++) {
    name = order[i]
    if (name in headings) print "## " headings[name] "\n"
    print synopses[name] "\n\t" marked(squeezed(meanings[name])) "\n"
  }
}

function print_statuses(    i, at, text) {
  for (i = 1; i <= status; i++) {
    text = squeezed(statuses[i])
    at = index(text, " ")
    print "*" substr(text, 1, at - 1) "*\n\t" marked(substr(text, at + 1)) ".\n"
  }
}

# "  A sentence:" and "    a command", which is copied as it is.
function print_examples(    i, text, literal) {
  for (i = 1; i <= example; i++) {
    text = examples[i]
    if (text ~ /^    / && !literal) { print "\n```"; literal = 1 }
    if (text !~ /^    / && literal) { print "```\n"; literal = 0 }
    if (literal) print substr(text, 5)
    else if (text != "") print marked(squeezed(text))
  }
  if (literal) print "```"
}

function read_sink(name,    lines, n, i) {
  if (name in sinks) return
  sinks[name] = read_lines(quoted(program) " --dump-sink " quoted(name), lines)
  for (i = 1; i <= sinks[name]; i++) dumps[name, i] = lines[i]
}

# The value of `key` in a line of "option=NAME type=... help=...": up to `next_key`.
function field(line, key, next_key,    from, to) {
  from = index(line, key "=")
  line = substr(line, from + length(key) + 1)
  to = next_key == "" ? length(line) + 1 : index(line, " " next_key "=")
  return substr(line, 1, to - 1)
}

function print_settings(sink,    i, line, name, type, standard, about) {
  read_sink(sink)
  for (i = 1; i <= sinks[sink]; i++) {
    line = dumps[sink, i]
    if (line !~ /^option=/) continue
    name = field(line, "option", "type")
    type = field(line, "type", "required")
    standard = field(line, "default", "help")
    about = field(line, "help", "")
    if (about ~ /^[a-z]+[ ,]/) about = toupper(substr(about, 1, 1)) substr(about, 2)
    about = about "."
    if (line ~ / required=yes /) about = about " Required."
    if (line ~ / positional=yes /) about = about " The ARGUMENT of --sink " sink ":ARGUMENT."
    if (line ~ / secret=yes /) about = about " Never shown in a log."
    if (standard != "") about = about " Default: " standard "."
    print "*" name "*=_" type "_\n\t" marked(about) "\n"
  }
}

function description(sink,    i, text) {
  read_sink(sink)
  for (i = 1; i <= sinks[sink]; i++) {
    if (dumps[sink, i] !~ /^description=/) continue
    text = substr(dumps[sink, i], 13)
    return tolower(substr(text, 1, 1)) substr(text, 2)
  }
}

BEGIN {
  read_help()
  read_lines(quoted(program) " --version", version)
  sub(/^nbdstream /, "", version[1])
}

/@version@/ { sub(/@version@/, version[1]) }
/@description [a-z0-9]+@/ {
  match($0, /@description [a-z0-9]+@/)
  name = substr($0, RSTART + 13, RLENGTH - 14)
  $0 = substr($0, 1, RSTART - 1) description(name) substr($0, RSTART + RLENGTH)
}
/^@options@$/ { print_options(); next }
/^@values@$/ { print marked(values); next }
/^@exit status@$/ { print_statuses(); next }
/^@examples@$/ { print_examples(); next }
/^@settings [a-z0-9]+@$/ { print_settings(substr($2, 1, length($2) - 1)); next }
/@meaning [a-z-]+@/ {
  match($0, /@meaning [a-z-]+@/)
  name = substr($0, RSTART + 9, RLENGTH - 10)
  if (!(name in meanings)) fail("there is no option --" name)
  $0 = substr($0, 1, RSTART - 1) marked(squeezed(meanings[name])) substr($0, RSTART + RLENGTH)
}
/^\t*@[a-z0-9 ]+@/ { fail("unknown: " $0) }
{ print }
END { if (failed) exit 1 }
