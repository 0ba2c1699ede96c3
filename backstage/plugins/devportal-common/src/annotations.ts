/** Which product an entity shows, as `namespace/name`. */
export const PRODUCT_ANNOTATION = 'devportal.kuadrant.io/product';

/** Which HTTPRoute serves the product, as `namespace/name`. */
export const HTTPROUTE_ANNOTATION = 'devportal.kuadrant.io/httproute';

/**
 * The groups that see the product, separated by commas; absent: everybody does. It is for
 * reading only: a group's name may have a comma, so decisions go by `spec.visibleTo`.
 */
export const VISIBLE_TO_ANNOTATION = 'devportal.kuadrant.io/visible-to';
