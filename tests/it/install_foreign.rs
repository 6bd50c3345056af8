//! What other people keep in a crontab, through the program and a real crontab(1).

use crate::support::{
    host::Host,
    installing::{HOURLY_AND_NIGHTLY, project},
};

/// Texts as they stand in crontabs of hosts on which more than one program writes.
const FOREIGN: &[(&str, &[u8])] = &[
    ("nothing but comments", b"# m h dom mon dow command\n#\n# nothing yet\n"),
    ("blank lines at both ends", b"\n\n\n0 5 * * 1 tar -zcf /var/backups/home.tgz /home/\n\n\n"),
    ("nothing but blank lines", b"\n \n\t\n"),
    ("line ends of Windows", b"MAILTO=ops\r\n0 5 * * 1 tar\r\n#\r\n"),
    ("line ends of both kinds", b"0 5 * * 1 tar\r\n# a \\r that is two characters\n0 6 * * 1 printf 'a\\r\\n'\n"),
    (
        "borgmatic and certbot",
        b"# You can drop this file into /etc/cron.d/ to run borgmatic nightly.\n\
          0 3 * * * root /usr/bin/borgmatic --verbosity -2 --syslog-verbosity 1\n\
          SHELL=/bin/sh\n\
          0 */12 * * * test -x /usr/bin/certbot -a \\! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && certbot -q renew\n",
    ),
    (
        "ansible's marks",
        b"#Ansible: nightly dump\n0 1 * * * pg_dumpall \\%x >/dev/null\n\
          # BEGIN ANSIBLE MANAGED BLOCK\nMAILTO=\"\"\n# END ANSIBLE MANAGED BLOCK\n#Ansible: off\n#@daily true\n",
    ),
    ("blocks of a program whose marks look like ours", b"# resticprofile:begin x\n@daily x\n# policy: end x\n  # policy:beginning\n"),
    ("bytes that are no UTF-8, tabs, and long lines", b"0\t1 *\t* *  echo \xfc\xff '%\\%'\n#\x01\x1b[1m\n"),
];

fn host() -> Option<Host> {
    Host::of(project(HOURLY_AND_NIGHTLY))
}

/// A text without our blocks.
fn without_ours(text: &[u8]) -> Vec<u8> {
    let mut is_ours = false;
    let mut rest = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        is_ours |= line.starts_with(b"# policy:begin ");
        if !is_ours {
            rest.extend_from_slice(line);
        }
        is_ours &= !line.starts_with(b"# policy:end ");
    }
    rest
}

fn shown(text: &[u8]) -> String {
    text.escape_ascii().to_string()
}

#[test]
fn the_lines_of_others_stay_while_entries_come_change_and_go() {
    let Some(host) = host() else { return };
    for (what, foreign) in FOREIGN {
        host.write("policy.yaml", HOURLY_AND_NIGHTLY);
        host.set_crontab(foreign);
        host.run(&["install"]).exits(0);
        let installed = host.crontab().unwrap();
        assert!(shown(&installed).contains("prod/nightly --due"), "{what}: {}", shown(&installed));
        assert!(installed.starts_with(foreign), "{what}: {}", shown(&installed));
        assert_eq!(shown(&without_ours(&installed)), shown(foreign), "{what}");
        // Somebody writes below our blocks; one of them changes, one goes, one comes.
        let more = [&installed[..], b"# below\n@weekly true\n"].concat();
        host.set_crontab(&more);
        host.write(
            "policy.yaml",
            HOURLY_AND_NIGHTLY.replace("0 2 *", "0 3 *").replace("  hourly", "  often"),
        );
        host.run(&["install"]).exits(0);
        let changed = host.crontab().unwrap();
        let theirs = [foreign, &b"# below\n@weekly true\n"[..]].concat();
        assert_eq!(shown(&without_ours(&changed)), shown(&theirs), "{what}");
        assert!(shown(&changed).contains("0 3 * * *") && !shown(&changed).contains("prod/hourly"), "{what}");
        host.run(&["uninstall"]).exits(0);
        assert_eq!(shown(&host.crontab().unwrap()), shown(&theirs), "{what}");
    }
}

#[test]
fn a_crontab_comes_back_as_it_was_and_one_that_was_not_there_goes() {
    let Some(host) = host() else { return };
    for (what, foreign) in FOREIGN {
        host.set_crontab(foreign);
        host.run(&["install"]).exits(0);
        host.run(&["uninstall"]).exits(0);
        assert_eq!(shown(&host.crontab().unwrap()), shown(foreign), "{what}");
    }
    // One that crontab(1) has not written begins with comments that it shows to nobody.
    let by_hand = b"# of the image\n# by ops\n0 5 * * 1 tar\n";
    std::fs::write(host.spool(), by_hand).unwrap();
    host.run(&["install"]).exits(0).hides("that goes");
    host.run(&["install"]).exits(0).says("nothing to change");
    host.run(&["uninstall"]).exits(0).hides("cron daemon");
    assert_eq!(shown(&host.crontab().unwrap()), shown(by_hand));
    std::fs::remove_file(host.spool()).unwrap();
    host.run(&["install"]).exits(0);
    assert!(host.crontab().is_some());
    host.run(&["uninstall"]).exits(0);
    assert_eq!(host.crontab(), None);
    // An empty one says as much as none.
    host.set_crontab(b"");
    host.run(&["install"]).exits(0);
    host.run(&["uninstall"]).exits(0);
    assert_eq!(host.crontab().unwrap_or_default(), b"");
}

#[test]
fn a_last_line_without_an_end_is_kept_and_gets_one_where_crontab_takes_it_no_other_way() {
    let Some(host) = host() else { return };
    for (foreign, end) in
        [(&b"0 5 * * 1 tar"[..], "\n"), (b"MAILTO=ops", "\n"), (b"0 5 * * 1 tar\n# a comment", "")]
    {
        host.set_crontab(foreign);
        host.run(&["install"]).exits(0);
        let installed = host.crontab().unwrap();
        let first = [foreign, b"\n# policy:begin "].concat();
        assert!(installed.starts_with(&first), "{}", shown(&installed));
        assert_eq!(shown(&without_ours(&installed)), shown(&[foreign, b"\n"].concat()));
        host.run(&["install"]).exits(0).says("nothing to change");
        host.run(&["uninstall"]).exits(0);
        assert_eq!(shown(&host.crontab().unwrap()), shown(&[foreign, end.as_bytes()].concat()));
    }
}

#[test]
fn a_lost_mark_is_refused_with_its_line_and_nothing_is_changed() {
    let Some(host) = host() else { return };
    host.set_crontab(b"MAILTO=ops\n\n0 5 * * 1 tar\n");
    host.run(&["install"]).exits(0);
    let whole = String::from_utf8(host.crontab().unwrap()).unwrap();
    let line = |start: &str| whole.lines().position(|line| line.starts_with(start)).unwrap() + 1;
    let (first, last) = (line("# policy:begin policy-prod-hourly"), line("# policy:end policy-prod-nightly"));
    let without = |number: usize| {
        let kept = whole.split_inclusive('\n').enumerate().filter(|(at, _)| at + 1 != number);
        kept.map(|(_, line)| line).collect::<String>()
    };
    let second = line("# policy:begin policy-prod-nightly");
    let cases = [
        (
            without(first),
            format!("line {}: `policy-prod-hourly-", line("# policy:end policy-prod-hourly") - 1),
            "ends and did not begin",
        ),
        (without(last), format!("line {second}: `policy-prod-nightly-"), "begins and does not end"),
        (
            without(line("# policy:end policy-prod-hourly")),
            format!("line {}: `policy-prod-nightly-", second - 1),
            "begins within",
        ),
        (
            whole.replacen("sha256=", "sha256=0", 1),
            format!("line {first}: a mark of a block"),
            "not as it was written",
        ),
        (format!("{whole}{whole}"), "is there already, line".to_owned(), "line 4"),
    ];
    for (torn, place, what) in &cases {
        host.set_crontab(torn.as_bytes());
        for command in
            [&["install"][..], &["install", "-n"], &["uninstall"], &["--policy", "policy.yaml", "uninstall"]]
        {
            host.run(command).exits(5).says(place).says(what).says("crontab -e");
            assert_eq!(host.crontab().unwrap(), torn.as_bytes(), "{command:?}");
        }
    }
    host.set_crontab(whole.as_bytes());
    host.run(&["uninstall"]).exits(0);
    assert_eq!(host.crontab().unwrap(), b"MAILTO=ops\n\n0 5 * * 1 tar\n");
}
