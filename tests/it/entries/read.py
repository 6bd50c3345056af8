"""Reads entries as their schedulers do, and says what they run and when. It shares nothing with the program.

Standard input is a list of {kind, file, zone, start, end}; standard output a list of {argv, fires}. Instants are seconds of UTC.
"""

import json
import plistlib
import sys
import xml.etree.ElementTree as ElementTree
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

ZONE = {}
MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split()


EPOCH = datetime(1970, 1, 1)


@lru_cache(maxsize=None)
def steady(zone, day):
    """The zone's seconds ahead of UTC, unless its clock changes within a day of this one."""
    clock = ZONE.setdefault(zone, ZoneInfo(zone))
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=timezone.utc)
    ahead = {(noon + timedelta(days=n)).astimezone(clock).utcoffset() for n in (-2, -1, 0, 1, 2)}
    return int(ahead.pop().total_seconds()) if len(ahead) == 1 else None


def instants(zone, wall):
    """The instants at which a zone's clock shows a time: none, one or two."""
    ahead = steady(zone, wall.date())
    if ahead is not None:
        return {int((wall - EPOCH).total_seconds()) - ahead}
    clock = ZONE[zone]
    found = set()
    for fold in (0, 1):
        utc = wall.replace(tzinfo=clock, fold=fold).astimezone(timezone.utc)
        if utc.astimezone(clock).replace(tzinfo=None) == wall:
            found.add(int(utc.timestamp()))
    return found


def days(case):
    """The dates around the window."""
    day = date.fromtimestamp(case["start"]) - timedelta(days=2)
    while day <= date.fromtimestamp(case["end"]) + timedelta(days=2):
        yield day
        day += timedelta(days=1)


def weekday(day):
    """0 to 6 from Sunday."""
    return day.isoweekday() % 7


def at_walls(case, walls):
    """The instants of wall times within the window."""
    fires = set()
    for wall in walls:
        fires.update(at for at in instants(case["zone"], wall) if case["start"] <= at < case["end"])
    return fires


def at_times(day, times):
    return {datetime(day.year, day.month, day.day, hour, minute) for hour, minute in times}


def launchd(case):
    with open(case["file"], "rb") as file:
        plist = plistlib.load(file)
    walls = set()
    dicts = plist["StartCalendarInterval"]
    for one in dicts:
        assert set(one) <= {"Minute", "Hour", "Day", "Month", "Weekday"}, one
        assert not {"Day", "Weekday"} <= set(one), "either would be enough"
        assert all(type(number) is int for number in one.values()), one
    for day in days(case):
        # launchd-842 ignores the month beside a weekday; here the manual is taken at its word, which is the narrower reading.
        today = [
            one
            for one in dicts
            if one.get("Day", day.day) == day.day
            and one.get("Month", day.month) == day.month
            and one.get("Weekday", weekday(day)) % 7 == weekday(day)
        ]
        times = set()
        for one in today:
            hours = [one["Hour"]] if "Hour" in one else range(24)
            minutes = [one["Minute"]] if "Minute" in one else range(60)
            times.update((hour, minute) for hour in hours for minute in minutes)
        walls |= at_times(day, times)
    return {"argv": plist["ProgramArguments"], "plist": plain(plist), "fires": sorted(at_walls(case, walls))}


def plain(plist):
    return {key: value for key, value in plist.items() if key != "StartCalendarInterval"}


def split(line):
    """CommandLineToArgvW for what follows the program."""
    words, word, quoted, i = [], None, False, 0
    while i < len(line):
        if line[i] == "\\":
            count = 0
            while i < len(line) and line[i] == "\\":
                count, i = count + 1, i + 1
            word = word or ""
            if i < len(line) and line[i] == '"':
                word += "\\" * (count // 2)
                if count % 2:
                    word, i = word + '"', i + 1
            else:
                word += "\\" * count
        elif line[i] == '"':
            word = word or ""
            if quoted and line[i + 1 : i + 2] == '"':
                word, i = word + '"', i + 1
            else:
                quoted = not quoted
            i += 1
        elif line[i] in " \t" and not quoted:
            if word is not None:
                words.append(word)
            word, i = None, i + 1
        else:
            word, i = (word or "") + line[i], i + 1
    return words + ([] if word is None else [word])


def minutes_of(duration):
    assert duration.startswith("PT") and duration.endswith("M"), duration
    return int(duration[2:-1])


def task(case):
    with open(case["file"], "rb") as file:
        raw = file.read()
    assert raw[:2] == b"\xff\xfe", "no mark"
    text = raw.decode("utf-16")
    assert text.count("\n") == text.count("\r\n"), "line ends"
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    root = ElementTree.fromstring(raw)
    for element in root.iter():
        assert element.tag.startswith(space), element.tag
        element.tag = element.tag[len(space) :]
    fires = set()
    triggers = list(root.find("Triggers"))
    walls = set()
    for trigger in triggers:
        start = datetime.fromisoformat(trigger.findtext("StartBoundary"))
        assert start.tzinfo is None and start.year == 2000
        if trigger.tag == "TimeTrigger":
            assert trigger.find("Repetition/Duration") is None
            by = minutes_of(trigger.findtext("Repetition/Interval")) * 60
            (first,) = instants(case["zone"], start)
            at = first + -(-(case["start"] - first) // by) * by
            fires.update(range(at, case["end"], by))
        else:
            assert trigger.find("Repetition") is None
            for day in days(case):
                if on(trigger, day):
                    walls.add(datetime(day.year, day.month, day.day, start.hour, start.minute))
    fires |= at_walls(case, walls)
    action = root.find("Actions/Exec")
    argv = [action.findtext("Command"), *split(action.findtext("Arguments") or "")]
    delays = sorted({trigger.findtext("RandomDelay") or "" for trigger in triggers})
    settings = {element.tag: element.text for element in root.find("Settings")}
    return {"argv": argv, "fires": sorted(fires), "delays": delays, "settings": settings}


def on(trigger, day):
    """Whether a calendar trigger has a date."""
    if trigger.find("ScheduleByDay") is not None:
        return trigger.findtext("ScheduleByDay/DaysInterval") == "1"
    by_week = trigger.find("ScheduleByWeek")
    if by_week is not None:
        assert by_week.findtext("WeeksInterval") == "1"
        return by_week.find(f"DaysOfWeek/{WEEKDAYS[weekday(day)]}") is not None
    by_month = trigger.find("ScheduleByMonth")
    if by_month is not None:
        has_day = str(day.day) in [element.text for element in by_month.findall("DaysOfMonth/Day")]
        return has_day and by_month.find(f"Months/{MONTHS[day.month - 1]}") is not None
    by_both = trigger.find("ScheduleByMonthDayOfWeek")
    weeks = [element.text for element in by_both.findall("Weeks/Week")]
    is_last = (day + timedelta(days=7)).month != day.month
    in_week = str((day.day - 1) // 7 + 1) in weeks or is_last and "Last" in weeks
    has_day = by_both.find(f"DaysOfWeek/{WEEKDAYS[weekday(day)]}") is not None
    return in_week and has_day and by_both.find(f"Months/{MONTHS[day.month - 1]}") is not None


def kubernetes(case):
    import yaml
    from cronsim import CronSim

    with open(case["file"], encoding="utf-8") as file:
        config_map, cron_job = yaml.safe_load_all(file)
    spec = cron_job["spec"]
    assert spec["timeZone"] == case["zone"], spec
    # The controller goes through wall times, so clock changes are not its parser's: it skips gaps, and has both passes.
    walls = set()
    schedule = CronSim(spec["schedule"], datetime(2026, 1, 1))
    times = [(hour, minute) for hour in schedule.hours for minute in schedule.minutes]
    for day in days(case):
        if schedule.match_day(day) and day.month in schedule.months:
            walls |= at_times(day, times)
    container = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    argv = [expanded(word) for word in container["command"]]
    fires = sorted(at_walls(case, walls))
    return {"argv": argv, "fires": fires, "config_map": config_map, "cron_job": cron_job}


def expanded(word):
    assert "$" not in word.replace("$$", ""), "a variable"
    return word.replace("$$", "$")


def main():
    kinds = {"launchd": launchd, "task": task, "kubernetes": kubernetes}
    json.dump([kinds[case["kind"]](case) for case in json.load(sys.stdin)], sys.stdout)


main()
