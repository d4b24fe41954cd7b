# What scdoc(1) writes, without the paragraphs that are empty, or begin where a new one is begun
# anyway: behind a heading and before one.
/^\.PP?$/ { paragraph = 1; next }
/^\.S[HS] / { paragraph = 0 }
paragraph && !/^\.RE/ { if (!begun) print ".P"; paragraph = 0 }
{ print }
{ begun = /^\.(S[HS]|TH|RS)/ || (begun && /^\.nf/) }
