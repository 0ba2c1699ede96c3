module devportal.local/stack/pause

go 1.26.0
