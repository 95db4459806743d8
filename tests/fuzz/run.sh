#!/bin/sh
# run.sh BUILD SECONDS: runs every fuzzer of BUILD/tests/fuzz for so many seconds.
#
# Inputs found are kept in BUILD/corpus/<fuzzer>; committed seeds are in tests/fuzz/corpus/<fuzzer>.
# The last line is "N passed, M failed"; an input that broke one is left in BUILD/crash-*.
set -u
build=$1
seconds=$2
passed=0
failed=0
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    fuzzer=$build/tests/fuzz/$name
    corpus=$build/corpus/$name
    mkdir -p "$corpus"
    seeds=tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    # shellcheck disable=SC2086 # no seeds: no argument
    if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/crash-$name-" "$corpus" $seeds >"$fuzzer.log" 2>&1; then
        inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$fuzzer.log")
        echo "ok      $name ($inputs inputs)"
        passed=$((passed + 1))
    else
        echo "FAILED  $name"
        tail -60 "$fuzzer.log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
