//! The distinct lists of company namespaces that contacts have, each kept once: a million contacts share a handful.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ordered::Visibility;

/// Namespace lists by number, as long as a contact has them.
#[derive(Clone, Debug, Default)]
pub(super) struct NamespaceLists {
    /// Sorted and distinct names, and how many contacts have them. Without contacts a number is free.
    lists: Vec<(Arc<[String]>, u32)>,
    numbers: HashMap<Arc<[String]>, u32>,
    free: Vec<u32>,
    /// Bytes of the lists and their names on the heap.
    texts: usize,
}

impl NamespaceLists {
    /// The number of this list, which one more contact has from now on.
    pub fn add(&mut self, namespaces: &[String]) -> u32 {
        if !namespaces.is_sorted_by(|lesser, greater| lesser < greater) {
            let mut sorted = namespaces.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            return self.add(&sorted);
        }
        if let Some(&number) = self.numbers.get(namespaces) {
            self.lists[number as usize].1 += 1;
            return number;
        }
        let list: Arc<[String]> = namespaces.into();
        self.texts += list_bytes(&list);
        let number = self.free.pop().unwrap_or(self.lists.len() as u32);
        if number as usize == self.lists.len() {
            self.lists.push((Arc::clone(&list), 1));
        } else {
            self.lists[number as usize] = (Arc::clone(&list), 1);
        }
        self.numbers.insert(list, number);
        number
    }

    /// One contact less has this list.
    pub fn remove(&mut self, number: u32) {
        let (list, contacts) = &mut self.lists[number as usize];
        *contacts -= 1;
        if *contacts == 0 {
            self.numbers.remove(list);
            self.texts -= list_bytes(list);
            *list = Arc::default();
            self.free.push(number);
        }
    }

    /// The lists, each with the number of contacts that have it.
    pub fn from_counts(lists: Vec<(Vec<String>, u32)>) -> Self {
        let lists: Vec<(Arc<[String]>, u32)> = lists.into_iter().map(|(list, contacts)| (list.into(), contacts)).collect();
        let numbers = (0..).zip(&lists).map(|(number, (list, _))| (Arc::clone(list), number)).collect();
        let texts = lists.iter().map(|(list, _)| list_bytes(list)).sum();
        Self { lists, numbers, free: Vec::new(), texts }
    }

    /// The names in the list of this number.
    pub fn names(&self, number: u32) -> &[String] {
        &self.lists[number as usize].0
    }

    /// The classes that a caller with these namespaces sees, of disabled contacts or of others where that is asked for; nothing when
    /// no list shares a namespace with them.
    pub fn visible_to(&self, namespaces: &[String], disabled: Option<bool>) -> Option<Visibility> {
        let mut count = 0;
        let mut seen = vec![false; 2 * self.lists.len()];
        for (number, (list, contacts)) in (0..).zip(&self.lists) {
            if *contacts > 0 && list.iter().any(|name| namespaces.contains(name)) {
                count += 1;
                for of_class in [false, true].into_iter().filter(|of_class| disabled.is_none_or(|disabled| disabled == *of_class))
                {
                    seen[class(number, of_class) as usize] = true;
                }
            }
        }
        match count {
            0 => None,
            _ if count == self.numbers.len() && disabled.is_none() => Some(Visibility::All),
            _ => Some(Visibility::Some(seen)),
        }
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.lists.capacity() * size_of::<(Arc<[String]>, u32)>()
            + self.free.capacity() * size_of::<u32>()
            + map_bytes::<(Arc<[String]>, u32)>(self.numbers.capacity())
            + self.texts
    }
}

/// The class of a contact with the namespace list of this number: what decides who sees it, and among which contacts.
pub(super) const fn class(list: u32, disabled: bool) -> u32 {
    list * 2 + disabled as u32
}

/// The namespace list of the contacts of a class, and whether they are disabled.
pub(super) const fn of_class(class: u32) -> (u32, bool) {
    (class / 2, class % 2 == 1)
}

/// Bytes of a shared list, of which each name has no reserve and two counters stand in front.
fn list_bytes(list: &[String]) -> usize {
    2 * size_of::<usize>() + list.iter().map(|name| size_of::<String>() + name.len()).sum::<usize>()
}

/// Bytes of a hash map's table that has room for `capacity` elements: of eight buckets one stays free, and each has a byte of control.
pub(super) const fn map_bytes<Element>(capacity: usize) -> usize {
    if capacity == 0 { 0 } else { (capacity * 8 / 7).next_power_of_two() * (size_of::<Element>() + 1) + 16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_list_has_one_number_in_whatever_order_its_names_stand() {
        let mut lists = NamespaceLists::default();

        let number = lists.add(&list(&["a", "b"]));

        assert_eq!(lists.add(&list(&["b", "a", "b"])), number);
        assert_ne!(lists.add(&list(&["a"])), number);
    }

    #[test]
    fn a_list_is_forgotten_with_its_last_contact() {
        let mut lists = NamespaceLists::default();
        for round in 0..100 {
            let number = lists.add(&list(&[&round.to_string()]));
            lists.remove(number);
        }

        assert_eq!(lists.lists.len(), 1);
        assert_eq!(lists.numbers.len(), 0);
        assert_eq!(lists.texts, 0);
        assert_eq!(lists.visible_to(&list(&["99"]), None), None);
    }

    #[test]
    fn a_list_is_visible_to_who_has_one_of_its_names() {
        let mut lists = NamespaceLists::default();
        lists.add(&list(&["a", "b"]));
        lists.add(&list(&["c"]));

        let visible = |names: &[&str], disabled| lists.visible_to(&list(names), disabled);
        assert_eq!(visible(&["b", "x"], None), Some(Visibility::Some(vec![true, true, false, false])));
        assert_eq!(visible(&["b", "x"], Some(true)), Some(Visibility::Some(vec![false, true, false, false])));
        assert_eq!(visible(&["c", "a"], None), Some(Visibility::All));
        assert_eq!(visible(&["c", "a"], Some(false)), Some(Visibility::Some(vec![true, false, true, false])));
        assert_eq!(visible(&["x"], None), None);
        assert_eq!(visible(&[], Some(false)), None);
    }
}
