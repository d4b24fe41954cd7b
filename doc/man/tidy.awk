# What scdoc(1) writes, without the paragraphs that are empty, or begin where a new one is begun
# anyway: behind a heading and before one. A page with a table says so in its first line, as man(1)
# wants it.
function put(line) { page = page line "\n" }
/^\.PP?$/ { paragraph = 1; next }
/^\.S[HS] / { paragraph = 0 }
/^\.TS/ { tables = 1 }
paragraph && !/^\.RE/ { if (!begun) put(".P"); paragraph = 0 }
{ put($0) }
{ begun = /^\.(S[HS]|TH|RS)/ || (begun && /^\.nf/) }
END { if (tables) print "'\\\" t"; printf "%s", page }
