//! A user, as the command line has it.

use asaanbill_core::ChannelId;
use asaanbill_sim::{Role, User};

/// The most characters of a user's name. (What a header holds with ease)
const NAME_MAX_CHARS: usize = 128;

/// Reads `NAME:PASSWORD:CHANNEL:ROLE`. A password may have colons, the others have none.
///
/// # Errors
///
/// What is wrong with each part, in words that repeat none of them.
pub(super) fn read_user(text: &str) -> Result<(String, User), String> {
    let whole = || "expected NAME:PASSWORD:CHANNEL:ROLE".to_owned();
    let (name, rest) = text.split_once(':').ok_or_else(whole)?;
    let (rest, role) = rest.rsplit_once(':').ok_or_else(whole)?;
    let (password, channel) = rest.rsplit_once(':').ok_or_else(whole)?;
    let mut wrong = Vec::new();
    // It travels in a header.
    let is_name = name.chars().count() <= NAME_MAX_CHARS && name.bytes().all(|b| b.is_ascii_graphic());
    if name.is_empty() || !is_name {
        wrong.push("a name is 1 to 128 ASCII characters without spaces");
    }
    if password.is_empty() {
        wrong.push("a password can't be empty");
    }
    let channel = channel.parse::<ChannelId>().ok();
    if channel.is_none() {
        wrong.push("a channel is a whole number from 1");
    }
    let role = match role {
        "full" => Some(Role::Full),
        "viewer" => Some(Role::Viewer),
        "adder" => Some(Role::Adder),
        _ => None,
    };
    if role.is_none() {
        wrong.push("a role is full, viewer or adder");
    }
    match (channel, role) {
        (Some(channel), Some(role)) if wrong.is_empty() => {
            Ok((name.to_owned(), User::new(name, password.to_owned(), channel, role)))
        }
        _ => Err(wrong.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::read_user;

    fn check(text: &str, expected: Result<&str, &str>) {
        let read = read_user(text);
        let shown = read.as_ref().map(|(_, user)| format!("{user:?}"));
        assert_eq!(shown.as_deref().map_err(|wrong| wrong.as_str()), expected, "{text}");
    }

    #[test]
    fn four_parts() {
        let ali = r#"User { name: "ali", channel: ChannelId(7), role: Full, .. }"#;
        check("ali:secret:7:full", Ok(ali));
        check("ali:se:cr::et:7:full", Ok(ali));
        check("sara:s:23:viewer", Ok(r#"User { name: "sara", channel: ChannelId(23), role: Viewer, .. }"#));
        check("till:s:23:adder", Ok(r#"User { name: "till", channel: ChannelId(23), role: Adder, .. }"#));
        for short in ["", "ali", "ali:hidden", "ali:hidden:7"] {
            check(short, Err("expected NAME:PASSWORD:CHANNEL:ROLE"));
        }
        check("ali:hidden:0:full", Err("a channel is a whole number from 1"));
        check("ali:hidden:7:admin", Err("a role is full, viewer or adder"));
        check(
            " ::x:y",
            Err("a name is 1 to 128 ASCII characters without spaces; a password can't be empty; \
                 a channel is a whole number from 1; a role is full, viewer or adder"),
        );
        check(":hidden:7:full", Err("a name is 1 to 128 ASCII characters without spaces"));
    }
}
