# bash completion for nbdstream(1). What can be completed the program itself says: --help has the
# options and their values, --list-sinks and --dump-sink the sinks and their settings.

# __nbdstream_value OPTION: what --help calls its value, as PATH, or allow|refuse.
__nbdstream_value() {
  "$program" --help 2>/dev/null |
    sed -n "s/^  \(-., \|    \)$1\(\[=\| \)\([^] ]\+\)\(\]\| \|\$\).*/\3/p"
}

# __nbdstream_path WORD BEFORE: the files that WORD begins, which stands behind BEFORE in the same
# word of the line. Readline knows of that where BEFORE ends in one of COMP_WORDBREAKS.
__nbdstream_path() {
  local cur=$1 before=$2
  _filedir
  [[ $COMP_WORDBREAKS == *"${before: -1}"* ]] || COMPREPLY=("${COMPREPLY[@]/#/$before}")
}

__nbdstream_sinks() { "$program" --list-sinks 2>/dev/null | cut -f 1; }

# The settings of the sink that the line names, each with its '='.
__nbdstream_settings() {
  local sink=fifo i word
  for ((i = 1; i < cword; i++)); do
    word=${words[i]}
    [[ $word == --sink && $((i + 1)) -lt $cword ]] && word=--sink=${words[i + 1]}
    [[ $word == --sink=* ]] && word=${word#--sink=} sink=${word%%:*}
  done
  # Nobody's code runs because of a Tab, but of those that are installed.
  [[ $sink != */* ]] || return
  "$program" --dump-sink "$sink" 2>/dev/null | sed -n 's/^option=\([^ ]*\) .*/\1=/p'
}

_nbdstream() {
  local cur prev words cword split=false
  _init_completion -s -n : || return
  local program=${words[0]} value
  program=${program/#\~\//$HOME/}
  # What stands behind one is its own.
  local subcommand= word
  if ((cword > 1)) && [[ ${words[1]} == @(apply|cat|ctl|info|serve|verify) ]]; then
    subcommand=${words[1]}
    [[ $prev != --@(from|reason) ]] || return
    [[ $prev != --control ]] || { _filedir; return; }
    prev=
  fi

  case $prev in
    --sink | --check-sink)
      if [[ $cur == *:* ]]; then
        __nbdstream_path "${cur#*:}" "${cur%%:*}:"
      elif [[ $cur == */* ]]; then
        _filedir so
      else
        COMPREPLY=($(compgen -W "$(__nbdstream_sinks)" -- "$cur"))
      fi
      return ;;
    --option | -o)
      if [[ $cur == *=* ]]; then
        __nbdstream_path "${cur#*=}" "${cur%%=*}="
      else
        COMPREPLY=($(compgen -W "$(__nbdstream_settings)" -- "$cur"))
        compopt -o nospace 2>/dev/null
      fi
      return ;;
    --dump-sink)
      COMPREPLY=($(compgen -W "$(__nbdstream_sinks)" -- "$cur"))
      [[ $cur != */* ]] || _filedir so
      return ;;
    --order)
      COMPREPLY=($(compgen -W 'auto strict window spill spool' -- "$cur"))
      return ;;
    --log-level)
      COMPREPLY=($(compgen -W 'error warning info debug' -- "$cur"))
      return ;;
    --run)
      COMPREPLY=($(compgen -c -- "$cur"))
      return ;;
    -[!-])
      prev=$("$program" --help 2>/dev/null | sed -n "s/^  $prev, \(--[a-z-]*\).*/\1/p") ;;
  esac
  if [[ $prev == --* ]]; then
    value=$(__nbdstream_value "$prev")
    case $value in
      DIR) _filedir -d; return ;;
      PATH* | FILE) _filedir; return ;;
      *\|*) COMPREPLY=($(compgen -W "${value//|/ }" -- "$cur")); return ;;
      FD) ;;          # comes behind a '=' only
      ?*) return ;;   # nothing to say
    esac
  fi
  [[ $split == false ]] || return

  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$("$program" $subcommand --help 2>/dev/null |
      sed -n 's/^  \(-., \|    \)\(--[a-z-]\+\).*/\2/p')" -- "$cur"))
  elif [[ $cur == @(pipe|write)=* ]]; then
    __nbdstream_path "${cur#*=}" "${cur%%=*}="
  elif [[ $subcommand == ctl ]]; then
    COMPREPLY=($(compgen -W 'status commit abort wait stop' -- "$cur"))
  elif [[ -n $subcommand ]]; then
    _filedir
  else
    COMPREPLY=($(compgen -W 'pipe= write= size=' -- "$cur"))
    compopt -o nospace 2>/dev/null
    # Behind these stands a space, which nospace takes from all that is completed.
    for word in apply cat ctl info serve verify; do
      ((cword > 1)) || [[ $word != "$cur"* ]] || COMPREPLY+=("$word ")
    done
  fi
} && complete -F _nbdstream nbdstream
