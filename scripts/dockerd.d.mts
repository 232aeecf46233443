export declare const TEST_IMAGE: string;
export declare function startDockerd(): Promise<
  | { readonly socket: string; readonly stop: () => Promise<void>; readonly reason?: undefined }
  | { readonly socket?: undefined; readonly stop?: undefined; readonly reason: string }
>;
