import { components } from './generated/portal';

type Schemas = components['schemas'];

export type Amiss = Schemas['Amiss'];
export type ApprovalMode = Schemas['ApprovalMode'];
export type AuthenticationRule = Schemas['AuthenticationRule'];
export type AuthScheme = Schemas['DiscoveredAuthScheme'];
export type Cause = Schemas['Cause'];
export type Contact = Schemas['Contact'];
export type Counts = Schemas['Counts'];
export type Credentials = Schemas['Credentials'];
export type Decision = Schemas['Decision'];
export type Delivery = Schemas['Delivery'];
export type Documentation = Schemas['Documentation'];
export type Finding = Schemas['Finding'];
export type Gap = Schemas['Gap'];
export type Grant = Schemas['Grant'];
export type Health = Schemas['Health'];
export type Key = Schemas['Key'];
export type KeyList = Schemas['ListOfKeyRow'];
export type KeyRow = Schemas['KeyRow'];
export type KeySearch = Schemas['KeySearch'];
export type Limits = Schemas['Limits'];
export type LiveValue = Schemas['LiveValue'];
export type MayWithKey = Schemas['MayWithKey'];
export type MayWithProduct = Schemas['MayWithProduct'];
export type Myself = Schemas['Myself'];
export type NewDecision = Schemas['NewDecision'];
export type NewKey = Schemas['NewKey'];
export type NewProduct = Schemas['NewProduct'];
export type NewRotation = Schemas['NewRotation'];
export type OwnerKind = Schemas['OwnerKind'];
export type Plan = Schemas['Plan'];
export type Policy = Schemas['Policy'];
export type Problem = Schemas['Problem'];
export type Product = Schemas['Product'];
export type ProductList = Schemas['ListOfProductRow'];
export type ProductOwner = Schemas['ProductOwner'];
export type ProductPatch = Schemas['ProductPatch'];
export type ProductRow = Schemas['ProductRow'];
export type ProductSearch = Schemas['ProductSearch'];
export type ProductSpec = Product['spec'];
export type PublishStatus = Schemas['PublishStatus'];
export type Rate = Schemas['Rate'];
export type Reference = Schemas['Reference'];
export type Request = Schemas['Request'];
export type RequestedBy = Schemas['RequestedBy'];
export type RequestList = Schemas['ListOfRequestRow'];
export type RequestRow = Schemas['RequestRow'];
export type RequestSearch = Schemas['RequestSearch'];
export type Revealed = Schemas['Revealed'];
export type RouteList = Schemas['ListOfRouteRow'];
export type RouteRow = Schemas['RouteRow'];
export type RouteSearch = Schemas['RouteSearch'];
export type State = Schemas['State'];
export type Visibility = Schemas['Visibility'];

/** What an event `change` of `GET /v1/events` tells: a name, never contents. */
export interface Change {
  /** The kind's plural. */
  kind: 'apiproducts' | 'apikeys' | 'apikeyrequests' | 'httproutes';
  namespace: string;
  name: string;
  /** Whether it is gone, or not to be seen any more. */
  ended: boolean;
}
