//! libFuzzer's own `main`, and what it feeds.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| asaanbill_fuzz::run(data));
