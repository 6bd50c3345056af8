//! The parts that a second process plays: this test program again, running one test that does nothing by itself.

use super::*;
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// A second process that says `ready` when it holds what it is to hold, and ends when told to.
pub(super) struct Part {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Part {
    pub(super) fn play(part: &str, live: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "engines::sqlite::tests::parts::a_part_is_played_by_a_second_process",
                "--nocapture",
            ])
            .env("POLICY_TEST_PART", part)
            .env("POLICY_TEST_LIVE", live)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut part = Self { child, input, output };
        part.hear("ready");
        part
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads its output until a line that contains a word, and returns what follows that word.
    pub(super) fn hear(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.output.read_line(&mut line).unwrap(),
                0,
                "the second process ended before `{word}`"
            );
            if let Some(at) = line.find(word) {
                return line[at + word.len()..].trim().to_owned();
            }
        }
    }

    /// Tells it to go on, and waits for what it then says.
    pub(super) fn go_on(&mut self) -> String {
        writeln!(self.input, "go on").unwrap();
        self.hear("done")
    }

    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the second process speaks to the first")]
fn a_part_is_played_by_a_second_process() {
    let Ok(part) = std::env::var("POLICY_TEST_PART") else { return };
    let live = PathBuf::from(std::env::var_os("POLICY_TEST_LIVE").unwrap());
    let told = || drop(std::io::stdin().lines().next());
    if part == "latecomer" {
        // Comes when the safety copy bears its name, and the restored file not yet that of the live one.
        println!("ready");
        let aside = live.with_file_name("aside.db");
        while !aside.exists() {}
        let late = Connection::open(&live).and_then(|connection| {
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.execute_batch("INSERT INTO t VALUES (-1)")
        });
        println!("done {}", late.map_or_else(|error| error.to_string(), |()| "wrote".to_owned()));
        return;
    }
    let connection = Connection::open(&live).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    let transfer = "BEGIN IMMEDIATE; UPDATE accounts SET amount = amount - 1; \
                    UPDATE ledger SET amount = amount + 1; COMMIT";
    match part.as_str() {
        // Moves money between two tables until it is told to stop, and says the longest it waited, in milliseconds.
        "writer" => {
            let stop = std::thread::spawn(told);
            println!("ready");
            let (mut longest, mut commits) = (Duration::ZERO, 0);
            while !stop.is_finished() {
                let began = Instant::now();
                connection.execute_batch(transfer).unwrap();
                longest = longest.max(began.elapsed());
                commits += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            println!("done {} {commits}", longest.as_millis());
        }
        // Connected, idle; then it counts what it sees, and writes a row.
        "idle" => {
            one::<i64>(&connection, "SELECT count(*) FROM sqlite_schema");
            println!("ready");
            told();
            let seen: i64 = one(&connection, "SELECT count(*) FROM t");
            let wrote = connection.execute_batch("INSERT INTO t VALUES (999)");
            println!("done {seen} {}", wrote.map_or_else(|error| error.to_string(), |()| "wrote".to_owned()));
        }
        // Holds the write lock.
        "locker" => {
            connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
            println!("ready");
            told();
            println!("done");
        }
        // In the middle of a transaction whose pages were spilled to the file; then it is killed.
        "crasher" => {
            connection
                .execute_batch("PRAGMA cache_size = 2; BEGIN; UPDATE t SET n = -n; UPDATE t SET n = n * 2")
                .unwrap();
            println!("ready");
            told();
        }
        other => panic!("no part {other}"),
    }
}
