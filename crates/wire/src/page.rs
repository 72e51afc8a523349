//! Pages of lists.
//!
//! guide:form-10 guide:read-7 guide:read-8 guide:read-9

use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::object::is_object;
use crate::scalar::Scalar;

/// The query parameter with a page's number, from 0.
pub const PAGE_NO: &str = "pageNo";

/// The query parameter with a page's size.
pub const PAGE_SIZE: &str = "pageSize";

/// The size of a page where none is asked for. (Guide, Request Parameter)
pub const PAGE_SIZE_DEFAULT: u32 = 100;

/// The largest size of a page: the guide's batch detail has it. (implied)
pub const PAGE_SIZE_MAX: u32 = i32::MAX.unsigned_abs();

/// Which page of a list. Invariant: the size is 1 to [`PAGE_SIZE_MAX`], the number 0 to [`PAGE_SIZE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    number: u32,
    size: NonZeroU32,
}

/// A page that can't be asked for. Displays as the hub says it: `Invalid pageNo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Not a whole number from 0 to [`PAGE_SIZE_MAX`].
    #[error("Invalid {PAGE_NO}")]
    Number,
    /// Not a whole number from 1 to [`PAGE_SIZE_MAX`].
    #[error("Invalid {PAGE_SIZE}")]
    Size,
}

impl PageRequest {
    /// The page `number`, counted from 0, of pages of `size`.
    ///
    /// # Errors
    ///
    /// [`PageError`] if one is out of its range.
    pub fn new(number: u32, size: u32) -> Result<Self, PageError> {
        let size = NonZeroU32::new(size).filter(|size| size.get() <= PAGE_SIZE_MAX).ok_or(PageError::Size)?;
        if number > PAGE_SIZE_MAX {
            return Err(PageError::Number);
        }
        Ok(Self { number, size })
    }

    /// Reads the query's two parameters, either of which may be missing.
    ///
    /// # Errors
    ///
    /// [`PageError`] if one isn't a number or out of its range.
    pub fn parse(number: Option<&str>, size: Option<&str>) -> Result<Self, PageError> {
        let read = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let number = number.map_or(Some(0), read).ok_or(PageError::Number)?;
        let size = size.map_or(Some(PAGE_SIZE_DEFAULT), read).ok_or(PageError::Size)?;
        Self::new(number, size)
    }

    /// The page's number, from 0.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many elements it has at most.
    pub fn size(self) -> u32 {
        self.size.get()
    }

    /// How many elements come before it.
    pub fn offset(self) -> u64 {
        u64::from(self.number) * u64::from(self.size.get())
    }

    /// The page after it, if there can be one.
    pub fn next(self) -> Option<Self> {
        Self::new(self.number.checked_add(1)?, self.size()).ok()
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { number: 0, size: const { NonZeroU32::new(PAGE_SIZE_DEFAULT).unwrap() } }
    }
}

/// One page of a list of payments or batches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: Deserialize<'de>"))]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct Page<T> {
    #[serde(default)]
    pub page_no: Option<Scalar>,
    #[serde(default)]
    pub page_size: Option<Scalar>,
    #[serde(default)]
    pub total_elements: Option<Scalar>,
    /// A batch's spelling of the same, for reading: see [`total`](Self::total).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_no_of_elements: Option<Scalar>,
    #[serde(default)]
    pub total_pages: Option<Scalar>,
    #[serde(default)]
    pub is_first: Option<Scalar>,
    #[serde(default)]
    pub is_last: Option<Scalar>,
    #[serde(default = "Vec::new", deserialize_with = "null_is_empty")]
    pub content: Vec<Item<T>>,
}

impl<T> Page<T> {
    /// How many elements the whole list has, in either spelling.
    pub fn total(&self) -> Option<u64> {
        total(&self.total_elements, &self.total_no_of_elements)
    }

    /// A page of a list of `total` elements.
    pub fn new(page: PageRequest, total: u64, content: Vec<T>) -> Self {
        let pages = total.div_ceil(page.size().into());
        Self {
            page_no: Some(Scalar::number(page.number().into())),
            page_size: Some(Scalar::number(page.size().into())),
            total_elements: Some(Scalar::number(total)),
            total_no_of_elements: None,
            total_pages: Some(Scalar::number(pages)),
            is_first: Some(Scalar::boolean(page.number() == 0)),
            is_last: Some(Scalar::boolean(u64::from(page.number()) + 1 >= pages)),
            content: content.into_iter().map(Item::Read).collect(),
        }
    }
}

/// The one page of a batch's payments, whose keys are spelt differently.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: Deserialize<'de>"))]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct BulkPage<T> {
    #[serde(default)]
    pub page_no: Option<Scalar>,
    #[serde(default)]
    pub page_size: Option<Scalar>,
    #[serde(default)]
    pub total_no_of_elements: Option<Scalar>,
    /// A listing's spelling of the same, for reading: see [`total`](Self::total).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_elements: Option<Scalar>,
    #[serde(default)]
    pub total_pages: Option<Scalar>,
    #[serde(default)]
    pub is_first: Option<Scalar>,
    #[serde(default)]
    pub is_last: Option<Scalar>,
    #[serde(default = "Vec::new", deserialize_with = "null_is_empty")]
    pub content: Vec<Item<T>>,
}

impl<T> Default for BulkPage<T> {
    fn default() -> Self {
        Self::whole(Vec::new())
    }
}

impl<T> BulkPage<T> {
    /// How many elements there are, in either spelling.
    pub fn total(&self) -> Option<u64> {
        total(&self.total_no_of_elements, &self.total_elements)
    }

    /// All elements in one page, with the guide's page size and its `isFirst` of null.
    pub fn whole(content: Vec<T>) -> Self {
        let total = u64::try_from(content.len()).unwrap_or(u64::MAX);
        Self {
            page_no: Some(Scalar::number(0)),
            page_size: Some(Scalar::number(PAGE_SIZE_MAX.into())),
            total_no_of_elements: Some(Scalar::number(total)),
            total_elements: None,
            total_pages: Some(Scalar::number(1)),
            is_first: None,
            is_last: Some(Scalar::boolean(true)),
            content: content.into_iter().map(Item::Read).collect(),
        }
    }
}

fn total(own: &Option<Scalar>, other: &Option<Scalar>) -> Option<u64> {
    own.as_ref().and_then(Scalar::whole).or_else(|| other.as_ref().and_then(Scalar::whole))
}

/// An element of a list. One that isn't an object of that sort doesn't make the list fail: it is kept as it came.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub enum Item<T> {
    /// Read.
    Read(T),
    /// As it came.
    Unread(Box<RawValue>),
}

impl<T> Item<T> {
    /// The element, if it could be read.
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(element) => Some(element),
            Self::Unread(_) => None,
        }
    }

    /// The element, if it could be read.
    pub fn into_read(self) -> Option<T> {
        match self {
            Self::Read(element) => Some(element),
            Self::Unread(_) => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        let element = is_object(raw.get()).then(|| serde_json::from_str(raw.get()).ok()).flatten();
        Ok(element.map_or_else(|| Self::Unread(raw.to_owned()), Self::Read))
    }
}

/// Hides what couldn't be read: nobody knows what it holds.
impl<T: std::fmt::Debug> std::fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(element) => element.fmt(f),
            Self::Unread(raw) => write!(f, "<unread, {} bytes>", raw.get().len()),
        }
    }
}

pub(crate) fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Page, PageError, PageRequest};

    #[test]
    fn what_a_query_may_ask_for() {
        let check = |number: Option<&str>, size: Option<&str>, expected: Result<(u32, u32), PageError>| {
            let read = PageRequest::parse(number, size).map(|page| (page.number(), page.size()));
            assert_eq!(read, expected, "{number:?} {size:?}");
        };
        check(None, None, Ok((0, 100)));
        check(Some("3"), Some("1"), Ok((3, 1)));
        check(Some("0"), Some("2147483647"), Ok((0, 2_147_483_647)));
        check(Some("2147483647"), None, Ok((2_147_483_647, 100)));
        check(None, Some("2147483648"), Err(PageError::Size));
        check(None, Some("0"), Err(PageError::Size));
        check(Some("2147483648"), None, Err(PageError::Number));
        for bad in ["-1", "+1", "1.0", "", " 1", "x"] {
            check(Some(bad), None, Err(PageError::Number));
            check(None, Some(bad), Err(PageError::Size));
        }
        assert_eq!(PageRequest::default(), PageRequest::parse(None, None).unwrap());
    }

    /// `number size total` and what the page says of itself.
    #[test]
    fn first_last_and_how_many() {
        let check = |number, size, total, expected: &str| {
            let page = Page::<u8>::new(PageRequest::new(number, size).unwrap(), total, vec![]);
            let said = format!("pages {:?} first {:?} last {:?}", page.total_pages, page.is_first, page.is_last);
            assert_eq!(said.replace("Some(", "").replace(')', ""), expected);
        };
        check(0, 100, 0, "pages 0 first true last true");
        check(0, 100, 1, "pages 1 first true last true");
        check(0, 100, 100, "pages 1 first true last true");
        check(0, 100, 101, "pages 2 first true last false");
        check(1, 100, 101, "pages 2 first false last true");
        check(8, 100, 861, "pages 9 first false last true");
        check(9, 100, 861, "pages 9 first false last true");
        check(2_147_483_647, 2_147_483_647, 861, "pages 1 first false last true");
    }

    #[test]
    fn offsets_and_successors() {
        let page = PageRequest::new(3, 25).unwrap();
        assert_eq!((page.offset(), page.next().map(PageRequest::number)), (75, Some(4)));
        let last = PageRequest::new(2_147_483_647, 2_147_483_647).unwrap();
        assert_eq!((last.offset(), last.next()), (2_147_483_647 * 2_147_483_647, None));
    }
}
