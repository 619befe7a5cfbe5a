#!/bin/sh
# `shim.sh shim DIR` is to the tests what `landfall shim DIR` is to people: the test program, which DIR/program points
# to, as its "test" as_shim. So a test never meets a shim that was built before it.
SHIM_FOLDER=$2 exec "$2/program" instance::as_shim --exact --ignored --nocapture --test-threads=1
