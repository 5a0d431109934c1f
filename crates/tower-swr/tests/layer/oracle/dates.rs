//! The three forms of a date (RFC 9110 section 5.6.7), in seconds since 1970.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const LONG_DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// When the clock of these tests begins: 2026.
pub(crate) const START: i64 = 1_767_225_600;

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(month: usize, year: i64) -> i64 {
    match month {
        1 if leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

fn to_seconds(year: i64, month: usize, day: i64, time: &str) -> Option<i64> {
    let parts: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else {
        return None;
    };
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let in_range = (1970..=9999).contains(&year) && (1..=days_of(month, year)).contains(&day);
    // 60 is a leap second.
    if !in_range || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let years: i64 = (1970..year)
        .map(|year| if leap(year) { 366 } else { 365 })
        .sum();
    let months: i64 = (0..month).map(|month| days_of(month, year)).sum();
    Some(((years + months + day - 1) * 24 + hour) * 3600 + minute * 60 + second)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let good = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

fn month(text: &str) -> Option<usize> {
    MONTHS.iter().position(|month| *month == text)
}

pub(crate) fn parse(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        [day_name, day, month_name, year, time, "GMT"] => {
            DAYS.iter()
                .find(|name| day_name.strip_suffix(',') == Some(name))?;
            to_seconds(number(year, 4)?, month(month_name)?, number(day, 2)?, time)
        }
        [day_name, date, time, "GMT"] => {
            LONG_DAYS
                .iter()
                .find(|name| day_name.strip_suffix(',') == Some(name))?;
            let parts: Vec<&str> = date.split('-').collect();
            let [day, month_name, year] = parts.as_slice() else {
                return None;
            };
            let year = number(year, 2)?;
            // More than fifty years ahead of 2026 is in the past.
            let year = if year > 76 { 1900 + year } else { 2000 + year };
            to_seconds(year, month(month_name)?, number(day, 2)?, time)
        }
        [day_name, month_name, day, time, year] => asctime(day_name, month_name, day, time, year),
        [day_name, month_name, "", day, time, year] if day.len() == 1 => {
            asctime(day_name, month_name, &format!("0{day}"), time, year)
        }
        _ => None,
    }
}

fn asctime(day_name: &str, month_name: &str, day: &str, time: &str, year: &str) -> Option<i64> {
    DAYS.iter().find(|name| **name == day_name)?;
    to_seconds(number(year, 4)?, month(month_name)?, number(day, 2)?, time)
}

/// A date in the first, second or third of the forms.
pub(crate) fn print(seconds: i64, form: usize) -> String {
    let (mut days, in_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let weekday = days.rem_euclid(7) as usize;
    let mut year = 1970;
    while days >= if leap(year) { 366 } else { 365 } {
        days -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 0;
    while days >= days_of(month, year) {
        days -= days_of(month, year);
        month += 1;
    }
    let (day, name) = (days + 1, MONTHS[month]);
    let time = format!(
        "{:02}:{:02}:{:02}",
        in_day / 3600,
        in_day / 60 % 60,
        in_day % 60
    );
    match form {
        0 => format!("{}, {day:02} {name} {year} {time} GMT", DAYS[weekday]),
        1 => format!(
            "{}, {day:02}-{name}-{:02} {time} GMT",
            LONG_DAYS[weekday],
            year % 100
        ),
        _ => format!("{} {name} {day:2} {time} {year}", DAYS[weekday]),
    }
}

#[test]
fn what_is_printed_is_read_back() {
    for seconds in [
        0,
        START,
        START - 1,
        START + 86_400 * 59,
        START + 86_400 * 1000,
    ] {
        for form in 0..3 {
            let printed = print(seconds, form);
            let expected = (form != 1 || seconds >= START - 1).then_some(seconds);
            if let Some(expected) = expected {
                assert_eq!(parse(&printed), Some(expected), "{printed}");
            }
        }
    }
    assert_eq!(print(784_111_777, 0), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(print(784_111_777, 1), "Sunday, 06-Nov-94 08:49:37 GMT");
    assert_eq!(print(784_111_777, 2), "Sun Nov  6 08:49:37 1994");
}
