//! Any bytes as a policy: read, judged and drawn without a panic, and always alike.
#![no_main]

mod judge;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| judge::judge(bytes));
