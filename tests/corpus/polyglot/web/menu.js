export function openMenu(element) {
  element.classList.add('open');
}

module.exports.closeMenu = function (element) {
  element.classList.remove('open');
};
